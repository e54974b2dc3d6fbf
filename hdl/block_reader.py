"""Reads a finished block out of the accumulators, pixel by pixel, as fast as it is taken."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config

__all__ = ["BlockReader"]


class BlockReader(wiring.Component):
    """Each group of columns that lie close together has one of its own; all do the same at the same time.

    The first pixel is read in the cycle of `begin` and offered from the next one on; the following one is read when it
    is taken.

    Parameters
    ----------
    config : Config
        Gives `block_pixels`.

    Members
    -------
    begin : In(1)
        Strobe, only after the last pixel of the block before has been taken.
    only_pixel : In(1), last_pixel : In(range(block_pixels))
        Of this block, in that cycle: it has but one pixel. From the next cycle on: one less than its pixels.
    read : Out(1), pixel : Out(range(block_pixels))
        Strobe: read this pixel's accumulators.
    valid : Out(1), ready : In(1)
        What was read last is offered; it is taken, if it is.
    sent : Out(1), end : Out(1)
        A pixel is taken; it is, or will be, the block's last.
    """

    def __init__(self, config: Config):
        super().__init__({
            "begin": In(1), "only_pixel": In(1), "last_pixel": In(range(config.block_pixels)),
            "read": Out(1), "pixel": Out(range(config.block_pixels)),
            "valid": Out(1), "ready": In(1), "sent": Out(1), "end": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.sent.eq(self.valid & self.ready), self.read.eq(self.begin | self.sent)]
        m.d.sync += self.valid.eq(self.begin | (self.valid & ~(self.sent & self.end)))
        with m.If(self.read):
            m.d.sync += [
                self.pixel.eq(self.pixel + 1),
                self.end.eq(Mux(self.begin, self.only_pixel, self.pixel == self.last_pixel)),
            ]
        with m.If(self.sent & self.end):
            m.d.sync += self.pixel.eq(0)
        return m

    @staticmethod
    def model(pixels: int) -> list[tuple[int, bool]]:
        """What is offered of a block of so many pixels, in order: the pixel's number, and whether it is the last."""
        return [(pixel, pixel == pixels - 1) for pixel in range(pixels)]
