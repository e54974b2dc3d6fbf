"""What goes onto a chip: the accelerator behind an SPI bus, and pins that need nothing from outside but a clock."""

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out, connect

from nomul.gen.spec.config import Config
from nomul.hdl.accelerator import Accelerator
from nomul.hdl.spi import SpiDevice

__all__ = ["ChipTop"]


class ChipTop(wiring.Component):
    """An accelerator with an SPI bus, in one clock domain.

    Nothing has a value when power comes: `rst_n` must be low for at least 4 edges of the clock. It may change at any
    time; it is synchronized here, and resets all registers whose value matters by then, but no memory.

    Parameters
    ----------
    config : Config
        The accelerator.

    Members
    -------
    clk : In(1)
        The clock; rising edges count.
    rst_n : In(1)
        Reset while low.
    spi_sck, spi_cs_n, spi_mosi : In(1), spi_miso : Out(1)
        See `nomul.hdl.spi.SpiDevice`.
    """

    clk: In(1)
    rst_n: In(1)
    spi_sck: In(1)
    spi_cs_n: In(1, init=1)
    spi_mosi: In(1)
    spi_miso: Out(1)

    def __init__(self, config: Config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        """Clock, reset, bus, accelerator."""
        m = Module()
        m.domains.sync = domain = ClockDomain()
        m.d.comb += domain.clk.eq(self.clk)
        m.submodules.reset = FFSynchronizer(~self.rst_n, domain.rst, init=1)
        m.submodules.spi = spi = SpiDevice()
        m.submodules.accelerator = accelerator = Accelerator(self._config)
        connect(m, spi.o, accelerator.rx)
        connect(m, accelerator.tx, spi.i)
        m.d.comb += [spi.sck.eq(self.spi_sck), spi.cs_n.eq(self.spi_cs_n), spi.mosi.eq(self.spi_mosi),
                     self.spi_miso.eq(spi.miso)]
        return m
