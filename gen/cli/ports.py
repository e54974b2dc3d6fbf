"""Reaching a board: a serial port, or a virtual board that lives as long as the command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nomul.gen.cli.screen import working
from nomul.gen.spec.config import Config

if TYPE_CHECKING:
    from nomul.sw.driver.board import Board

__all__ = ["VIRTUAL", "connect", "virtual_port"]

#: The port name that stands for a simulated board.
VIRTUAL = "virtual"


@contextmanager
def virtual_port(config: Config) -> Iterator[str]:
    """A virtual board of `config`; yields the name of its serial port."""
    from nomul.cosim.virtual_board import VirtualBoard

    with working(f"build the simulator of {config.name} (once for a configuration)"):
        virtual = VirtualBoard(config, level="byte")
    with virtual:
        yield virtual.port


@contextmanager
def connect(port: str, config: Config, *, baud: int = 1_000_000) -> "Iterator[Board]":
    """The board at `port`; for `virtual`, a simulated one of `config`."""
    from nomul.sw.driver.board import open_board

    if port == VIRTUAL:
        with virtual_port(config) as name, open_board(name, baud) as board:
            yield board
    else:
        with open_board(port, baud) as board:
            yield board
