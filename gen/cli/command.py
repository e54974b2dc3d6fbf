"""What every command of `nomul` consists of, and the arguments that several share."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Command", "add_config", "add_output", "add_port"]


@dataclass(frozen=True)
class Command:
    """One command: its name, one sentence, examples for ``--help``, its arguments and what it does.

    Attributes
    ----------
    name : str
        As typed after `nomul`.
    summary : str
        One sentence without a full stop.
    examples : tuple of str
        Complete command lines.
    configure : callable
        Adds the arguments to the command's parser.
    run : callable
        Does the work and returns the exit code. Imports what it needs when it runs, so that no command costs
        another one's imports.
    """

    name: str
    summary: str
    examples: tuple[str, ...]
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def add_config(parser: ArgumentParser) -> None:
    """Adds ``--config``."""
    parser.add_argument("--config", required=True, metavar="NAME|FILE.toml",
                        help="accelerator configuration: the name of a preset or a file")


def add_output(parser: ArgumentParser, what: str, *, required: bool = True) -> None:
    """Adds ``-o``."""
    parser.add_argument("-o", "--output", required=required, metavar="FILE", help=f"where to write {what}")


def add_port(parser: ArgumentParser) -> None:
    """Adds ``--port`` and ``--baud``."""
    parser.add_argument("--port", required=True, metavar="PORT",
                        help="serial port of the board, or 'virtual' for a simulated board that lives as long as "
                             "this command")
    parser.add_argument("--baud", type=int, default=1_000_000, metavar="N", help="baud rate (default: %(default)s)")
