"""A board without a board: the simulated accelerator behind a pseudo-terminal, opened like any serial port."""

import os
import select
import threading
import tty
from collections.abc import Callable

from nomul.boards.base import Board, BoardError, UartTop
from nomul.cosim.faults import Damage, Faults
from nomul.cosim.link import accelerator_model
from nomul.cosim.verilated import Moved, VerilatedModel, build
from nomul.cosim.verilog_cache import cached_verilog
from nomul.gen.spec.config import Config

__all__ = ["LEVELS", "VirtualBoard", "uart_model"]

#: "byte": the accelerator's byte streams, fast. "uart": the board's top with its UART, bit by bit.
LEVELS = ("byte", "uart")

# Clock cycles of a bit at level "uart" without a board: few, for speed; the UART works from 4 on.
_DIVISOR = 4
# The simulation advances in slices of so many cycles in which nothing moves; between them the port is looked at.
_SLICE, _QUIET = 2_000, 64
# After so many silent cycles the board no longer runs as fast as it can: it waits for the host, between slices.
_IDLE_CYCLES, _IDLE_SECONDS = 1_000_000, 0.02
_CHUNK = 1 << 16


class VirtualBoard:
    """A simulated board that serves a serial port in a thread; a context manager.

    The same pyserial code that opens a real board opens `port`, at any baud rate. The board keeps its state when
    the port is closed and opened again, as a real one does.

    Parameters
    ----------
    config : Config
        The accelerator.
    level : str
        One of `LEVELS`.
    board : Board, optional
        The board that it is: its UART has as many clock cycles a bit.
    faults : Faults, optional
        What its line and supply do to it. A cable that has come off stays off until the next `start`, and the board
        has lost its network by then.

    Attributes
    ----------
    config : Config
        The accelerator.
    port : str
        Path of the serial port, between `start` and `stop`.
    received, sent : int
        Bytes that have come over the line, and gone.

    Raises
    ------
    ValueError
        For an unknown level.
    BoardError
        For level "uart" of a board without a serial line.
    """

    def __init__(self, config: Config, level: str = "byte", *, board: Board | None = None,
                 faults: Faults | None = None):
        if level not in LEVELS:
            raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {level!r}")
        if level == "uart" and board and not board.baud:
            raise BoardError(f"board {board.name} has no serial line: only level byte is there for it")
        self.board, self.faults = board, faults or Faults()
        self.config, self._level = config, level
        self._model, self._advance = self._switched_on()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._past_cycles = 0
        self._damage_there, self._damage_back = Damage(self.faults, "there"), Damage(self.faults, "back")
        self._reset_after, self._disconnect_after = self.faults.reset_after, self.faults.disconnect_after
        self.port, self.received, self.sent = "", 0, 0

    @property
    def cycles(self) -> int:
        """Clock cycles that the board has run."""
        return self._past_cycles + self._model.cycles

    def reset(self) -> None:
        """The board without its memory, as after a moment without power; only before `start` and after `stop`."""
        self._past_cycles += self._model.cycles
        self._model, self._advance = self._switched_on()

    def start(self) -> "VirtualBoard":
        """Opens the port and begins to serve it."""
        # The slave stays open here too: else the port would hang up whenever the host closes it.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._wake_read, self._wake_write = os.pipe()
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._run, name="virtual board", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends the thread and closes the port; raises what the thread died of, if it did."""
        if self._thread is None:
            return
        os.write(self._wake_write, b"x")
        self._thread.join()
        self._thread, self.port = None, ""
        for descriptor in (self._master, self._slave, self._wake_read, self._wake_write):
            if descriptor >= 0:
                os.close(descriptor)
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> "VirtualBoard":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as failure:
            self._failure = failure

    def _serve(self) -> None:
        to_board, to_host, silent = bytearray(), bytearray(), 0
        while True:
            busy = to_board or silent < _IDLE_CYCLES
            # A full buffer is not read from: then the port fills up and the host's write waits, as with a UART.
            readable, writable, _ = select.select(
                [self._wake_read] + [self._master] * (len(to_board) < _CHUNK),
                [self._master] if to_host else [], [], 0 if busy else _IDLE_SECONDS)
            if self._wake_read in readable:
                return
            if self._master in readable:
                data = os.read(self._master, _CHUNK)
                self.received += len(data)
                if self._disconnect_after is not None and self.received >= self._disconnect_after:
                    return self._unplug()
                if self._reset_after is not None and self.received >= self._reset_after:
                    # What it had been sent until then reaches it, and its answers may.
                    late = min(self.received - self._reset_after, len(data))
                    self._advance(bytes(to_board + data[:len(data) - late]), quiet=_QUIET, patience=_SLICE)
                    self._reset_after, data = None, data[len(data) - late:]
                    to_board.clear()
                    self.reset()
                to_board += self._damage_there(data)
            if writable:
                del to_host[:os.write(self._master, to_host)]
            moved = self._advance(bytes(to_board), quiet=_QUIET, patience=_SLICE)
            del to_board[:moved.accepted]
            self.sent += len(moved.output)
            to_host += self._damage_back(moved.output)
            silent = 0 if moved.accepted or moved.output else silent + moved.cycles

    def _unplug(self) -> None:
        for descriptor in (self._master, self._slave):
            os.close(descriptor)
        self._master = self._slave = -1
        self._disconnect_after = None
        self.port = ""
        self.reset()

    def _switched_on(self) -> tuple[VerilatedModel, Callable[..., Moved]]:
        """The simulated design, its memories empty, and what moves bytes through it."""
        if self._level == "byte":
            model = accelerator_model(self.config)
            return model, model.run_bytes
        divisor = self.board.divisor if self.board else _DIVISOR
        model = uart_model(self.config, divisor)
        return model, lambda data, **limits: model.run_serial(data, divisor=divisor, **limits)


def uart_model(config: Config, divisor: int) -> VerilatedModel:
    """A new simulated accelerator behind its UART, with `divisor` clock cycles a bit; pins `rx` and `tx`."""
    verilog = cached_verilog(lambda: UartTop(config, divisor), f"UartTop {config.hash} {divisor}", "board")
    return VerilatedModel(build(verilog, "board"))
