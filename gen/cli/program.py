"""`nomul program`: a bitstream onto a board."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from nomul.gen.cli.command import Command
from nomul.gen.cli.screen import say, working

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bitstream", nargs="?", metavar="FILE|FOLDER",
                        help="bitstream, or folder that `nomul build` wrote (default: build/BOARD)")
    parser.add_argument("--board", required=True, metavar="NAME", help="the board (`nomul boards` lists them)")


def _run(arguments: Namespace) -> int:
    from nomul.boards import find_board
    from nomul.gen.synth.loader import find_bitstream, load_bitstream
    from nomul.gen.synth.tools import ToolError

    board = find_board(arguments.board)
    target = next((word for word in board.programming.split() if word.startswith("TOP.")), None)
    if target is None:
        raise ToolError(f"nomul does not load {board.name} itself: {board.programming}")
    bitstream = find_bitstream(Path(arguments.bitstream or Path("build") / board.name), Path(target).suffix)
    with working(f"load {bitstream} onto {board.name}"):
        load_bitstream(board.programming, bitstream)
    say(f"{bitstream} is on {board.name}; ask it with: nomul info --port PORT")
    return 0


COMMAND = Command("program", "load a bitstream onto a board",
                  ("nomul program --board ulx3s-25f", "nomul program --board ulx3s-25f build/ulx3s/tiny.bit"),
                  _configure, _run)
