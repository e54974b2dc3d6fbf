"""`nomul boards`: which boards there are, and what is known of them."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import check_output, write_json
from nomul.gen.cli.screen import say, show_table

if TYPE_CHECKING:
    from nomul.boards import Board

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="where to write everything")


def _run(arguments: Namespace) -> int:
    from nomul.boards import BOARDS, CHIPS

    if arguments.json:
        check_output(arguments.json)
    show_table([(board.name, board.chip, board.resources["luts"], board.resources["memories"], board.preset,
                 _array(board), f"{board.clock_hz / 1e6:g}", f"{board.baud:,}" if board.baud else "-", board.link,
                 board.programming)
                for board in BOARDS],
               ("board", "chip", "look-up tables", "block RAMs", "preset", "which is", "clock, MHz", "baud rate",
                "link", "to load"))
    show_table([(chip.name, chip.chip, chip.preset, f"{chip.clock_hz / 1e6:g}", chip.link, chip.toolchain)
                for chip in CHIPS], ("chip", "process", "preset", "clock, MHz", "link", "tools"))
    if arguments.json:
        write_json(arguments.json, {"boards": [
            {"name": board.name, "summary": board.summary, "chip": board.chip, "toolchain": board.toolchain,
             "resources": dict(board.resources), "clock_mhz": board.clock_hz / 1e6, "link": board.link,
             "baud": board.baud or None, "preset": board.preset, "bitstream": board.bitstream,
             "programming": board.programming} for board in BOARDS], "chips": [
            {"name": chip.name, "summary": chip.summary, "chip": chip.chip, "toolchain": chip.toolchain,
             "clock_mhz": chip.clock_hz / 1e6, "link": chip.link, "preset": chip.preset, "bitstream": False}
            for chip in CHIPS]})
        say(arguments.json)
    return 0


def _array(board: "Board") -> str:
    """What fits, in a few words."""
    from nomul.gen.presets import load_config

    config = load_config(board.preset)
    return f"{config.lanes}×{config.columns} {' '.join(config.operators)}"


COMMAND = Command("boards", "list the boards that `nomul generate` and `nomul build` know",
                  ("nomul boards", "nomul boards --json boards.json"), _configure, _run)
