"""What of a serial line's rate a push uses: measured on the board's UART, clock cycle by clock cycle."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nomul.boards import Board as BoardFacts
from nomul.boards import BoardError
from nomul.cosim.verilated import VerilatedModel
from nomul.cosim.virtual_board import uart_model
from nomul.gen.spec.config import Config
from nomul.gen.spec.program import DESCRIPTOR_WORDS
from nomul.gen.spec.registers import INPUT_FIELDS, Region, word_bytes
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.board import Board
from nomul.sw.tensor import Tensor

__all__ = ["Goodput", "UartLink", "measure_goodput"]

#: Bits on the line for a byte: a start bit, eight data bits, a stop bit.
_LINE_BITS = 10
#: No answer is as far away as so many line bytes.
_PATIENCE = 100_000


class UartLink:
    """A `ByteLink` to a simulated board's pins in this process; time passes only while `read` waits.

    Parameters
    ----------
    model : VerilatedModel
        As `nomul.cosim.virtual_board.uart_model` makes it.
    divisor : int
        Clock cycles of a bit.
    latency : int
        Clock cycles after which the host sees what has come, as a USB bridge collects bytes for a while.

    Attributes
    ----------
    sent, received : int
        Bytes on the line.
    """

    def __init__(self, model: VerilatedModel, divisor: int, latency: int = 0):
        self.model, self._divisor, self._latency = model, divisor, latency
        self._pending = bytearray()
        self.sent = self.received = 0

    def write(self, data: bytes) -> None:
        """Queues bytes for the line."""
        self._pending += data

    def read(self, timeout: float) -> bytes:
        """Runs the simulation until a byte has come out, and the latency has passed; the time is not looked at."""
        patience = _LINE_BITS * self._divisor * _PATIENCE
        answer = self._run(1, 1, patience, 1 << 40)
        if answer and self._latency:
            answer += self._run(1 << 16, patience, patience, self._latency)
        return answer

    def close(self) -> None:
        """Nothing to do."""

    def _run(self, capacity: int, quiet: int, patience: int, cycles: int) -> bytes:
        moved = self.model.run_serial(bytes(self._pending), divisor=self._divisor, quiet=quiet, patience=patience,
                                      capacity=capacity, max_cycles=cycles)
        del self._pending[:moved.accepted]
        self.sent += moved.accepted
        self.received += len(moved.output)
        return moved.output


@dataclass(frozen=True)
class Goodput:
    """A push over a board's serial line.

    Attributes
    ----------
    board : str
        Its name.
    baud, divisor, frame_bytes, word_bytes : int
        Of the line; clock cycles of a bit; longest payload of a frame; bytes of a word of weights.
    latency_ms : float
        Of the host's side.
    network_bytes, line_bytes : int
        What was pushed, and what the host sent for that.
    line_times : float
        How long it took, in times that a byte takes on the line, checksums before and after included.
    share : float
        Of the line's rate: network's bytes for each byte that there was time for.
    """

    board: str
    baud: int
    divisor: int
    frame_bytes: int
    word_bytes: int
    latency_ms: float
    network_bytes: int
    line_bytes: int
    line_times: float
    share: float


def measure_goodput(board: BoardFacts, config: Config, size: int, *, latency_ms: float = 0.0, seed: int = 0,
                    progress: Callable[[int, int], None] | None = None) -> Goodput:
    """Pushes random weights to a board that holds none.

    Parameters
    ----------
    board : Board
        Gives the clock and the baud rate.
    config : Config
        Its accelerator; how many columns and which memories it has makes no difference here, so there are few.
    size : int
        Bytes of weights, about.
    latency_ms : float
        From a byte's arrival at the host until the driver sees it.
    seed : int
        Of the weights.
    progress : function of (bytes done, bytes in all), optional
        Called as bytes are written.

    Raises
    ------
    BoardError
        If the board has no serial line.
    """
    if not board.baud:
        raise BoardError(f"board {board.name} has no serial line to measure")
    width = word_bytes(Region.WEIGHTS, config)
    small = replace(config, columns=2, requantizers=1, depthwise_l1=False, weight_decoder=False, weight_stream=False,
                    weight_words=max(4, size // width), activation_words=64, parameter_words=64, image_bytes=64,
                    result_words=16, program_layers=8)
    network = _network(small, np.random.default_rng(seed))
    link = UartLink(uart_model(small, board.divisor), board.divisor, round(latency_ms / 1e3 * board.clock_hz))
    pushed = Board(link).push(network, progress)
    times = link.model.cycles / (_LINE_BITS * board.divisor)
    return Goodput(board.name, board.baud, board.divisor, config.frame_bytes, width, latency_ms, pushed.total,
                   link.sent, times, pushed.total / times)


def _network(config: Config, dice: np.random.Generator) -> CompiledNetwork:
    """Random weights that fill the memory; nobody runs them."""
    words = dice.integers(0, 256, (config.weight_words, word_bytes(Region.WEIGHTS, config)), np.uint8)
    if unused := -config.weight_word_bits % 8:
        words[:, -1] >>= unused
    return CompiledNetwork(
        name="random", config=config, network_hash="", program=np.zeros((1, DESCRIPTOR_WORDS), np.uint32), steps=[],
        weights=words, stream=words[:0], parameters=np.zeros((0, word_bytes(Region.PARAMETERS, config)), np.uint8),
        input=Tensor(1, 1, 1, 0, 0), windows=dict.fromkeys(sum(INPUT_FIELDS.values(), ()), 1), classes=1, tensors={},
        metadata={})
