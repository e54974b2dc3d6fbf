"""`nomul push`: a network to a board."""

from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command, add_board_config, add_port
from nomul.gen.cli.files import check_input, check_output, write_json
from nomul.gen.cli.screen import progress, say

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL",
                        help="program that `nomul compile` wrote, or network that `nomul quantize` wrote, which is "
                             "compiled for the configuration that the board says it has")
    add_port(parser, several=True)
    add_board_config(parser)
    parser.add_argument("--json", metavar="FILE", help="where to write what was sent to each board")


def _run(arguments: Namespace) -> int:
    source = check_input(arguments.model)
    if arguments.json:
        check_output(arguments.json)
    from nomul.gen.cli.ports import connect_all
    from nomul.sw.driver.models import load_model

    model = load_model(source)
    with connect_all(arguments.port, model, arguments.config, baud=arguments.baud) as boards:
        with progress(f"push {model.name}", "bytes") as update:
            results = boards.push(model, update)
        for port, result in zip(arguments.port, results, strict=True):
            say(f"{port}: {result.name} loaded and verified by checksum, {result.sent} of {result.total} bytes sent")
    if arguments.json:
        write_json(arguments.json, {"boards": [
            {"port": port, "name": result.name, "network_hash": result.network_hash, "bytes_sent": result.sent,
             "bytes": result.total} for port, result in zip(arguments.port, results, strict=True)]})
        say(arguments.json)
    return 0


COMMAND = Command("push", "load a network onto a board: only what the board does not hold yet",
                  ("nomul push adder.program --port /dev/ttyUSB0", "nomul push adder.network --port virtual:ulx3s-25f",
                   "nomul push adder.network --port /dev/ttyUSB0 --port /dev/ttyUSB1"),
                  _configure, _run)
