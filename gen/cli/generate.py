"""`nomul generate`: from a configuration to Verilog, manifest and register map."""

from argparse import ArgumentParser, Namespace
from typing import Any

from nomul.gen.cli.command import Command, add_config
from nomul.gen.cli.screen import say, working

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--board", metavar="NAME", help="make the design of a board, with its pins, or of a chip "
                                                        "(`nomul boards` lists them); without, the ports are byte "
                                                        "streams")
    parser.add_argument("--fabric", default="generic", metavar="NAME",
                        help="without a board: the FPGA family whose adder cells to use, of generic (any tool; the "
                             "default), ecp5, ice40, ice40up, gowin, xilinx and asic")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where to write the files")


def _run(arguments: Namespace) -> int:
    from nomul.gen.presets import load_config

    config, board = load_config(arguments.config), _board(arguments.board)
    from nomul.gen.emit import generate

    with working(f"generate {config.name}"):
        files = generate(config, arguments.output, board, arguments.fabric)
    for path in files:
        say(str(path))
    say(f"configuration {config.name} ({config.hash})")
    return 0


def _board(name: str | None) -> Any:
    if name is None:
        return None
    from nomul.boards import find_target

    return find_target(name)


COMMAND = Command("generate", "write the Verilog, manifest and register map of an accelerator",
                  ("nomul generate --config demo -o build/demo",
                   "nomul generate --config demo --fabric ecp5 -o build/demo-ecp5",
                   "nomul generate --config ulx3s --board ulx3s-85f -o build/ulx3s"), _configure, _run)
