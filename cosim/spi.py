"""An SPI bus with a simulated device at its end."""

import numpy as np

from nomul.cosim.verilated import VerilatedModel
from nomul.sw.driver.spi_link import SpiLink

__all__ = ["SpiBus"]


class SpiBus:
    """The host's end of an SPI bus, cycle by cycle; time passes only in transfers.

    Parameters
    ----------
    model : VerilatedModel
        A design with the pins ``spi_sck``, ``spi_cs_n``, ``spi_mosi`` and ``spi_miso``, such as
        `nomul.boards.chip.ChipTop`.
    half_period : int
        Clock cycles for which SCK is high, and low; at least 3.
    clock_hz : int
        How many cycles are a second of the link's timeouts.
    """

    _PAUSE = 4

    def __init__(self, model: VerilatedModel, *, half_period: int = 3, clock_hz: int = 1_000_000):
        self.model, self._half_period, self._clock_hz = model, half_period, clock_hz
        model.set("spi_cs_n", 1)
        model.set("spi_sck", 0)

    def link(self) -> SpiLink:
        """A `ByteLink` over this bus."""
        return SpiLink(self.transfer, clock=lambda: self.model.cycles / self._clock_hz)

    def transfer(self, data: bytes) -> bytes:
        """One transfer: the bytes that come while `data` is sent."""
        bits = np.unpackbits(np.frombuffer(data, np.uint8))
        half = self._half_period
        clock = np.tile(np.repeat([0, 1], half), len(bits))
        pause = np.zeros(self._PAUSE, int)
        sent = self.model.run({
            "spi_sck": np.concatenate([pause, clock, pause, pause]),
            "spi_mosi": np.concatenate([pause, np.repeat(bits, 2 * half), pause, pause]),
            "spi_cs_n": np.concatenate([pause, 0 * clock, pause, pause + 1]),
        }, ["spi_miso"])["spi_miso"]
        edges = self._PAUSE + half + 2 * half * np.arange(len(bits))      # SCK rises
        return np.packbits(sent[edges].astype(np.uint8)).tobytes()
