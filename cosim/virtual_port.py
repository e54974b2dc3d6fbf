"""Ports that are simulated boards: what `nomul.sw.driver.open` opens as "virtual" and "virtual:BOARD"."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from nomul.boards import find_board
from nomul.cosim.virtual_board import VirtualBoard
from nomul.cosim.virtual_peripheral import VirtualPeripheral
from nomul.gen.presets import load_config
from nomul.gen.spec.config import Config
from nomul.sw.driver.base import BoardBase
from nomul.sw.driver.board import Board
from nomul.sw.driver.records import ImageResult, RunResult
from nomul.sw.driver.serial_port import SerialLink

__all__ = ["SimulatedBoard", "open_virtual"]

#: Seconds of silence after which a simulated board is given up: it loses nothing, but is slow.
_TIMEOUT = 60.0
#: Configuration of "virtual", if none is given.
_DEFAULT = "demo"
#: A byte takes so many bits on a serial line.
_LINE_BITS = 10


class SimulatedBoard(Board):
    """A board that is simulated in this process until it is closed.

    Parameters
    ----------
    virtual : VirtualBoard
        Not started yet.
    options
        Those of `Board`.
    """

    def __init__(self, virtual: VirtualBoard, **options: Any):
        self._virtual = virtual.start()
        try:
            super().__init__(SerialLink(virtual.port, 1_000_000), **options)
        except BaseException:
            virtual.stop()
            raise
        self.config = virtual.config
        self.baud = (virtual.board.baud if virtual.board else 0) or None
        self._line_bytes = 0.0

    def close(self) -> None:
        """Closes the port and ends the simulation."""
        super().close()
        self._virtual.stop()

    def stream(self, codes: Iterable[np.ndarray]) -> Iterator[ImageResult]:
        """See `BoardBase.stream`."""
        before, images = (self._virtual.received, self._virtual.sent), 0
        for result in super().stream(codes):
            images += 1
            yield result
        if images:
            self._line_bytes = max(self._virtual.received - before[0], self._virtual.sent - before[1]) / images

    def rates(self, result: RunResult) -> dict[str, float]:
        """See `BoardBase.rates`; known if it is a board that there is."""
        board = self._virtual.board
        if board is None or not self._line_bytes or not len(result.cycles):
            return {}
        line = {"line": board.baud / _LINE_BITS / self._line_bytes} if board.baud else {}
        return {"array": board.clock_hz / float(np.mean(result.cycles)), **line}


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
    board = find_board(name) if name else None
    config = config or load_config(board.preset if board else _DEFAULT)
    if board and not board.baud:
        return VirtualPeripheral(config, board)
    return SimulatedBoard(VirtualBoard(config, board=board), timeout=timeout, **options)
