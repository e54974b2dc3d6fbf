"""Counts the blocks of an ARRAY layer: for each group of output channels, blocks of up to `block` pixels."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.constants import held, last_of
from nomul.hdl.descriptor import DESCRIPTOR
from nomul.hdl.loop import Loop

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
        The layer; stable from the cycle before `first` on.
    first, advance : In(1)
        Go to the first, the next block; take effect at the next clock edge.
    group : Out(10)
        Group of output channels that the block belongs to.
    last_pixel : Out(range(block_pixels))
        One less than the pixels in the block.
    only_pixel : Out(1)
        There is but one.
    group_end : Out(1)
        The block is its group's last.
    last : Out(1)
        The block is the layer's last.
    """

    def __init__(self, config: Config):
        super().__init__({
            "descriptor": In(DESCRIPTOR), "first": In(1), "advance": In(1),
            "group": Out(10), "last_pixel": Out(range(config.block_pixels)), "only_pixel": Out(1),
            "group_end": Out(1), "last": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        pixels, block = self.descriptor.output_pixels, self.descriptor.block
        groups = Loop(m, self.descriptor.groups, "group")
        # What a layer's first block and its full ones are like.
        single, last_pixel = held(m, pixels <= block, "single"), last_of(m, pixels, "last_pixel_of_map")
        full, only = last_of(m, block, "last_pixel_of_block"), held(m, block == 1, "only_pixel_of_block")
        only_of_map = held(m, pixels == 1, "only_pixel_of_map")
        more, twice = held(m, block + 1, "block_and_one"), held(m, block << 1, "two_blocks")
        # Of the current block: pixels of the map that are left, those of the block included. All that there is to know
        # of a block is found while it becomes the current one, in the time of one sum or comparison.
        remaining = Signal(20)
        from_start = self.first | self.group_end
        ends = Mux(from_start, single, remaining <= twice)
        less_one = Mux(from_start, last_pixel, remaining - more)
        only_one = Mux(from_start, only_of_map, remaining == more)
        with m.If(self.first | self.advance):
            m.d.sync += [
                remaining.eq(Mux(from_start, pixels, remaining - block)), self.group_end.eq(ends),
                self.last_pixel.eq(Mux(ends, less_one, full)), self.only_pixel.eq(Mux(ends, only_one, only)),
            ]
        with m.If(self.first):
            m.d.sync += [self.group.eq(0), *groups.first()]
        with m.Elif(self.advance & self.group_end):
            m.d.sync += [self.group.eq(self.group + 1), *groups.next()]
        m.d.comb += self.last.eq(self.group_end & groups.end)
        return m

    @staticmethod
    def model(descriptor: dict[str, int]) -> list[tuple[int, int, bool, bool]]:
        """`(group, pixels, group_end, last)` of every block, in order."""
        sizes = [min(descriptor["block"], descriptor["output_pixels"] - start)
                 for start in range(0, descriptor["output_pixels"], descriptor["block"])]
        blocks = [(group, size, n == len(sizes) - 1)
                  for group in range(descriptor["groups"]) for n, size in enumerate(sizes)]
        return [(*block, n == len(blocks) - 1) for n, block in enumerate(blocks)]
