"""`nomul boards`: which boards there are."""

from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command
from nomul.gen.cli.screen import show_table

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    del parser  # no arguments


def _run(arguments: Namespace) -> int:
    from nomul.boards import BOARDS

    show_table([(board.name, board.summary, f"{board.clock_hz / 1e6:g}", board.baud) for board in BOARDS],
               ("board", "what it is", "clock, MHz", "baud rate"))
    return 0


COMMAND = Command("boards", "list the boards that `nomul generate --board` knows", ("nomul boards",), _configure, _run)
