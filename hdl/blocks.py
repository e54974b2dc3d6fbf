"""Counts the blocks of an ARRAY layer: for each group of output channels, blocks of up to `block` pixels."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.constants import last_of
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
    last_pixel : Out(range(block_pixels))
        One less than the pixels in the block.
    group_end : Out(1)
        The block is its group's last.
    last : Out(1)
        The block is the layer's last.
    """

    def __init__(self, config: Config):
        super().__init__({
            "descriptor": In(DESCRIPTOR), "first": In(1), "advance": In(1),
            "group": Out(10), "last_pixel": Out(range(config.block_pixels)),
            "group_end": Out(1), "last": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        pixels, block = self.descriptor.output_pixels, self.descriptor.block
        last_group = last_of(m, self.descriptor.groups, "last_group")
        # Of the current block: pixels of the map that are left, those of the block included. All that there is to know
        # of a block is found while it becomes the current one, in the time of one sum or comparison.
        remaining = Signal(20)
        from_start = self.first | self.group_end
        following = Mux(from_start, pixels, remaining - block)
        ends = Mux(from_start, pixels <= block, remaining <= block << 1)
        less_one = Mux(from_start, pixels - 1, remaining - block - 1)
        with m.If(self.first | self.advance):
            m.d.sync += [
                remaining.eq(following), self.group_end.eq(ends), self.last_pixel.eq(Mux(ends, less_one, block - 1)),
            ]
        with m.If(self.first):
            m.d.sync += self.group.eq(0)
        with m.Elif(self.advance):
            m.d.sync += self.group.eq(self.group + self.group_end)
        m.d.comb += self.last.eq(self.group_end & (self.group == last_group))
        return m

    @staticmethod
    def model(descriptor: dict[str, int]) -> list[tuple[int, int, bool, bool]]:
        """`(group, pixels, group_end, last)` of every block, in order."""
        sizes = [min(descriptor["block"], descriptor["output_pixels"] - start)
                 for start in range(0, descriptor["output_pixels"], descriptor["block"])]
        blocks = [(group, size, n == len(sizes) - 1)
                  for group in range(descriptor["groups"]) for n, size in enumerate(sizes)]
        return [(*block, n == len(blocks) - 1) for n, block in enumerate(blocks)]
