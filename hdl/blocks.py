"""Counts the blocks of an ARRAY layer: for each group of output channels, blocks of up to `block` pixels."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.descriptor import DESCRIPTOR

__all__ = ["BlockCounter"]


class BlockCounter(wiring.Component):
    """Group and size of the current block.

    Parameters
    ----------
    config : Config
        Gives `block_pixels`.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable while counting.
    first, advance : In(1)
        Go to the first, the next block; take effect at the next clock edge.
    group : Out(10)
        Group of output channels that the block belongs to.
    pixels : Out(range(block_pixels + 1))
        Pixels in the block.
    group_end : Out(1)
        The block is its group's last.
    last : Out(1)
        The block is the layer's last.
    """

    def __init__(self, config: Config):
        super().__init__({
            "descriptor": In(DESCRIPTOR), "first": In(1), "advance": In(1),
            "group": Out(10), "pixels": Out(range(config.block_pixels + 1)),
            "group_end": Out(1), "last": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        remaining, block = Signal(20), self.descriptor.block
        with m.If(self.first):
            m.d.sync += [remaining.eq(self.descriptor.output_pixels), self.group.eq(0)]
        with m.Elif(self.advance):
            m.d.sync += remaining.eq(Mux(self.group_end, self.descriptor.output_pixels, remaining - block))
            with m.If(self.group_end):
                m.d.sync += self.group.eq(self.group + 1)
        m.d.comb += [
            self.group_end.eq(remaining <= block),
            self.pixels.eq(Mux(self.group_end, remaining, block)),
            self.last.eq(self.group_end & (self.group == self.descriptor.groups - 1)),
        ]
        return m

    @staticmethod
    def model(descriptor: dict[str, int]) -> list[tuple[int, int, bool, bool]]:
        """`(group, pixels, group_end, last)` of every block, in order."""
        sizes = [min(descriptor["block"], descriptor["output_pixels"] - start)
                 for start in range(0, descriptor["output_pixels"], descriptor["block"])]
        blocks = [(group, size, n == len(sizes) - 1)
                  for group in range(descriptor["groups"]) for n, size in enumerate(sizes)]
        return [(*block, n == len(blocks) - 1) for n, block in enumerate(blocks)]
