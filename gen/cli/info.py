"""`nomul info`: which board is there, and what it holds."""

from argparse import ArgumentParser, Namespace
from typing import Any

from nomul.gen.cli.command import Command, add_board_config, add_port
from nomul.gen.cli.files import check_output, write_json
from nomul.gen.cli.screen import say, show_table

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    add_port(parser)
    add_board_config(parser)
    parser.add_argument("--json", metavar="FILE", help="where to write everything")


def _run(arguments: Namespace) -> int:
    if arguments.json:
        check_output(arguments.json)
    from nomul.gen.cli.ports import connect
    from nomul.gen.presets import load_config
    from nomul.sw.driver.memory import BoardError
    from nomul.sw.driver.models import find_config

    given = load_config(arguments.config) if arguments.config else None
    with connect(arguments.port, given, baud=arguments.baud) as board:
        info, spent, baud = board.info(), board.cycles(), board.baud
    try:
        config = find_config(info.config_hash, given)
    except BoardError:
        config = None
    found: dict[str, Any] = {
        "port": arguments.port, "baud": baud, "interface": info.interface, "config_hash": info.config_hash,
        "config": config.name if config else None, "network_hash": info.network_hash, "frame_bytes": info.frame_bytes,
        "frame_errors": info.frame_errors,
        **{f"last_run_{what}_cycles": cycles for what, cycles in spent.items()}}
    show_table([(key.replace("_", " "), "-" if value is None else value) for key, value in found.items()])
    if arguments.json:
        write_json(arguments.json, {**found, "registers": info.registers})
        say(arguments.json)
    return 0


COMMAND = Command("info", "ask a board who it is and what it holds",
                  ("nomul info --port /dev/ttyUSB0", "nomul info --port virtual:ulx3s-25f --json info.json"),
                  _configure, _run)
