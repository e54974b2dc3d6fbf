"""The link through an SPI bus: bytes go both ways at once, and the host keeps the clock."""

import time
from collections.abc import Callable

from nomul.gen.spec.frames import END

__all__ = ["SpiLink"]

#: Bytes of a question whether the device has something to say, while it has nothing: an answer begins sooner with few.
_QUESTION = 16
#: Bytes of a transfer at most; what most drivers of operating systems take.
_TRANSFER = 4096


class SpiLink:
    """A `ByteLink` over SPI (`nomul.hdl.spi`): mode 0, the bus's clock at most a sixth of the device's.

    What drives the bus is not part of nomul; on Linux, with PyPI's `spidev`:

        bus = spidev.SpiDev(0, 0)
        bus.max_speed_hz = 5_000_000
        board = Board(SpiLink(lambda data: bytes(bus.xfer2(list(data)))))

    Parameters
    ----------
    transfer : callable
        Sends bytes in one transfer (selection, bytes, end of selection), and returns those that came meanwhile, as
        many. May raise `LinkError`.
    close : callable, optional
        Ends the use of the bus.
    clock : callable
        Seconds, by which `read` gives up.
    """

    def __init__(self, transfer: Callable[[bytes], bytes], *, close: Callable[[], None] = lambda: None,
                 clock: Callable[[], float] = time.monotonic):
        self._transfer, self._close, self._clock = transfer, close, clock
        self._received = bytearray()
        self._silence = True        # the last byte that came was END

    def write(self, data: bytes) -> None:
        """Sends `data`, and keeps what comes meanwhile."""
        for first in range(0, len(data), _TRANSFER):
            self._keep(self._transfer(data[first:first + _TRANSFER]))

    def read(self, timeout: float) -> bytes:
        """Whatever has arrived; asks for a first byte for up to `timeout` seconds."""
        end = self._clock() + timeout
        while not self._received:
            self._keep(self._transfer(bytes([END] * _QUESTION)))
            if self._clock() >= end:
                break
        received = bytes(self._received)
        self._received.clear()
        return received

    def close(self) -> None:
        """Ends the use of the bus."""
        self._close()

    def _keep(self, data: bytes) -> None:
        """Of several `END` in a row the first, as the device's side does."""
        for byte in data:
            if not (self._silence and byte == END):
                self._received.append(byte)
            self._silence = byte == END
