"""Ports that are simulated boards: what `nomul.sw.driver.open` opens as "virtual" and "virtual:BOARD"."""

from typing import Any

from nomul.boards import find_board
from nomul.cosim.virtual_board import VirtualBoard
from nomul.cosim.virtual_peripheral import VirtualPeripheral
from nomul.gen.presets import load_config
from nomul.gen.spec.config import Config
from nomul.sw.driver.base import BoardBase
from nomul.sw.driver.board import Board
from nomul.sw.driver.serial_port import SerialLink

__all__ = ["OwnedLink", "open_virtual"]

#: Seconds of silence after which a simulated board is given up: it loses nothing, but is slow.
_TIMEOUT = 60.0
#: Configuration of "virtual", if none is given.
_DEFAULT = "demo"


class OwnedLink(SerialLink):
    """The link to a virtual board that ends with it.

    Parameters
    ----------
    virtual : VirtualBoard
        Not started yet.
    """

    def __init__(self, virtual: VirtualBoard):
        self.virtual = virtual.start()
        super().__init__(virtual.port, 1_000_000)

    def close(self) -> None:
        """Closes the port and ends the board."""
        super().close()
        self.virtual.stop()


def open_virtual(name: str, *, config: Config | None = None, timeout: float = _TIMEOUT, **options: Any) -> BoardBase:
    """A simulated board, which lives until it is closed.

    Parameters
    ----------
    name : str
        Of a board, whose preset it has; empty for one with `config` or a small one.
    config : Config, optional
        Another configuration.
    timeout, options
        Those of `Board`; not used for boards without a serial line, which count their own simulated time.

    Raises
    ------
    BoardError
        If there is no board of this name.
    """
    known = find_board(name) if name else None
    config = config or load_config(known.preset if known else _DEFAULT)
    if known and not known.baud:
        return VirtualPeripheral(config, known)
    board = Board(OwnedLink(VirtualBoard(config)), timeout=timeout, **options)
    board.config = config
    return board
