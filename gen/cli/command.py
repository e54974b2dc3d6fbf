"""What every command of `nomul` consists of, and the arguments that several share."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Command", "add_board_config", "add_config", "add_output", "add_port"]


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


def add_port(parser: ArgumentParser, *, several: bool = False) -> None:
    """Adds ``--port``, which may be given again and again if there may be `several`, and ``--baud``."""
    parser.add_argument("--port", required=True, metavar="PORT", action="append" if several else "store",
                        help="serial port of the board, or 'virtual:BOARD' for a simulated one that lives as long as "
                             "this command ('virtual' alone has the configuration that the program or --config says); "
                             "'pynq:FILE.bit' on a Zynq under PYNQ"
                             + ("; several boards: several times" if several else ""))
    parser.add_argument("--baud", type=int, metavar="N", help="baud rate (default: the first usual one at which the "
                                                              "board answers)")


def add_board_config(parser: ArgumentParser) -> None:
    """Adds ``--config`` for boards whose configuration is no preset."""
    parser.add_argument("--config", metavar="NAME|FILE.toml",
                        help="what the board's accelerator was generated from, if it is no preset; for a virtual "
                             "board, another configuration than its own")
