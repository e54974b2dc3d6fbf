"""What the driver needs of a system with DMAs, as PYNQ has it, and one transfer after the other on a channel."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from nomul.sw.driver.link import LinkError

__all__ = ["Channel", "Dma", "Peripheral", "Registers", "Transfers", "reset"]

#: Control register of an AXI DMA, and its reset bit (AMD PG021, "MM2S_DMACR"); it resets both channels.
_CONTROL, _RESET = 0x00, 0x4
#: How often the reset bit is looked at: it falls within some clock cycles.
_TRIES = 10_000
#: Bytes of the smallest buffer.
_SMALLEST = 1 << 12


class Registers(Protocol):
    """Registers of 32 bits at byte offsets, as `pynq.MMIO` and `pynq.DefaultIP` have them."""

    def read(self, offset: int) -> int:
        """A register."""

    def write(self, offset: int, value: int) -> None:
        """Writes one."""


class Channel(Protocol):
    """One direction of `pynq.lib.dma.DMA`."""

    @property
    def idle(self) -> bool:
        """The transfer has ended."""

    @property
    def error(self) -> bool:
        """The DMA has stopped because of an error."""

    def start(self) -> None:
        """Makes the channel ready for transfers, after a reset."""

    def transfer(self, array: np.ndarray, start: int = 0, nbytes: int = 0) -> None:
        """Begins to move `nbytes` bytes of an array that `allocate` made."""

    def wait(self) -> None:
        """Waits for the end of the transfer, and lets the processor see what came."""


class Dma(Protocol):
    """`pynq.lib.dma.DMA`; the one for memories needs no `recvchannel`."""

    @property
    def mmio(self) -> Registers:
        """Its registers."""

    @property
    def sendchannel(self) -> Channel:
        """From memory to a stream."""

    @property
    def recvchannel(self) -> Channel:
        """From a stream to memory."""


@dataclass(frozen=True)
class Peripheral:
    """The accelerator and its DMAs.

    Attributes
    ----------
    core : Registers
        Its registers (`nomul.gen.spec.axi`).
    data : Dma
        To `s_axis_data`, and from `m_axis_results`.
    weights : Dma
        To `s_axis_weights`.
    allocate : function of (shape, dtype)
        Memory that the DMAs reach, as `pynq.allocate` gives it.
    now : function
        Seconds, for timeouts.
    """

    core: Registers
    data: Dma
    weights: Dma
    allocate: Callable[[tuple[int], str], Any]
    now: Callable[[], float] = time.monotonic


class Transfers:
    """Transfers on a channel, one at a time, from or into memory that grows as needed.

    Parameters
    ----------
    channel : Channel
        The channel.
    allocate : function
        As of `Peripheral`.
    buffers : int
        Memories that are used in turn: one can be filled while another is on its way.
    """

    def __init__(self, channel: Channel, allocate: Callable[[tuple[int], str], Any], buffers: int = 1):
        self._channel, self._allocate = channel, allocate
        self._memories: list[Any] = [None] * buffers
        self._under_way = False

    def filled(self, content: bytes) -> tuple[Any, int]:
        """Memory that holds `content`, in turn; the last but `buffers` transfer must have ended."""
        memory = self.memory(len(content))
        memory[:len(content)] = np.frombuffer(content, np.uint8)
        return memory, len(content)

    def memory(self, count: int) -> Any:
        """Memory of at least `count` bytes, in turn."""
        self._memories.append(self._memories.pop(0))
        if self._memories[-1] is None or len(self._memories[-1]) < count:
            _free(self._memories[-1])
            self._memories[-1] = None
            self._memories[-1] = self._allocate((max(_SMALLEST, 1 << (count - 1).bit_length()),), "u1")
        return self._memories[-1]

    def content(self, count: int) -> np.ndarray:
        """The first bytes of the memory that was used last, as an array of their own."""
        return np.array(self._memories[-1][:count])

    def begin(self, memory: Any, count: int) -> None:
        """Begins a transfer; the one before must have ended."""
        self._channel.transfer(memory, 0, count)
        self._under_way = True

    @property
    def ended(self) -> bool:
        """No transfer is under way.

        Raises
        ------
        LinkError
            If the DMA reports an error.
        """
        if self._under_way and self._channel.error:
            self._under_way = False
            raise LinkError("the DMA stopped with an error: were the bitstream and its .hwh file made together?")
        if self._under_way and self._channel.idle:
            self._channel.wait()
            self._under_way = False
        return not self._under_way

    def restart(self) -> None:
        """After a reset of the DMA: nothing is under way."""
        self._channel.start()
        self._under_way = False

    def free(self) -> None:
        """Gives the memory back."""
        for memory in self._memories:
            _free(memory)
        self._memories = [None] * len(self._memories)


def reset(dma: Dma) -> None:
    """Gives up whatever a DMA is doing; its channels must be started again.

    Raises
    ------
    LinkError
        If it does not come back.
    """
    dma.mmio.write(_CONTROL, _RESET)
    if all(dma.mmio.read(_CONTROL) & _RESET for _ in range(_TRIES)):
        raise LinkError("the DMA does not come out of its reset: is the clock of the programmable logic running?")


def _free(memory: Any) -> None:
    if hasattr(memory, "freebuffer"):       # memory of PYNQ lies outside of what Python collects
        memory.freebuffer()
