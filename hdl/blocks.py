"""Counts the blocks of an ARRAY layer: for each group of output channels, blocks of up to `block` pixels."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.constants import held
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.loop import Loop

__all__ = ["BlockCounter"]


def _at_most(value: Value, limit: Value) -> Value:
    """``value <= limit`` with no more of a carry chain than the limit has bits."""
    if len(value) <= len(limit):
        return value <= limit
    return (value[:len(limit)] <= limit) & ~value[len(limit):].any()


class BlockCounter(wiring.Component):
    """Group and size of the current block.

    Parameters
    ----------
    config : Config
        Gives `block_pixels`, and the widths.

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
        self._config = config
        super().__init__({
            "descriptor": In(DESCRIPTOR), "first": In(1), "advance": In(1),
            "group": Out(10), "last_pixel": Out(range(config.block_pixels)), "only_pixel": Out(1),
            "group_end": Out(1), "last": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer = Layer(self.descriptor, self._config)
        last_pixel, full = layer.last("output_pixels"), layer.last("block")
        groups, group = Loop(m, layer.last("groups"), "group"), Signal(len(layer.last("groups")))
        # What a layer's first block and its full ones are like.
        single = held(m, _at_most(last_pixel, full), "single")
        only, only_of_map = held(m, full == 0, "only_pixel_of_block"), held(m, last_pixel == 0, "only_pixel_of_map")
        # Of the current block: pixels of the map that follow its first. All that there is to know of a block is found
        # while it becomes the current one, in the time of one sum or comparison.
        width = max(len(last_pixel), len(full))
        remaining, less_block = Signal(width), Signal(width)
        from_start = self.first | self.group_end
        # Less the last of a block, and 1.
        m.d.comb += less_block.eq(remaining + ~Cat(full, Const(0, width - len(full))))
        ends = Mux(from_start, single, _at_most(remaining, Cat(Const(1, 1), full)))
        last = Mux(from_start, last_pixel, less_block)
        only_one = Mux(from_start, only_of_map, remaining == full + 1)
        with m.If(self.first | self.advance):
            m.d.sync += [
                remaining.eq(last), self.group_end.eq(ends),
                self.last_pixel.eq(Mux(ends, last, full)), self.only_pixel.eq(Mux(ends, only_one, only)),
            ]
        with m.If(self.first):
            m.d.sync += [group.eq(0), *groups.first()]
        with m.Elif(self.advance & self.group_end):
            m.d.sync += [group.eq(group + 1), *groups.next()]
        m.d.comb += [self.group.eq(group), self.last.eq(self.group_end & groups.end)]
        return m

    @staticmethod
    def model(descriptor: dict[str, int]) -> list[tuple[int, int, bool, bool]]:
        """`(group, pixels, group_end, last)` of every block, in order."""
        sizes = [min(descriptor["block"], descriptor["output_pixels"] - start)
                 for start in range(0, descriptor["output_pixels"], descriptor["block"])]
        blocks = [(group, size, n == len(sizes) - 1)
                  for group in range(descriptor["groups"]) for n, size in enumerate(sizes)]
        return [(*block, n == len(blocks) - 1) for n, block in enumerate(blocks)]
