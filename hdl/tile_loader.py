"""Streams weight tiles from the weight memory into the shadow registers, one column a cycle, ahead of their use."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import LATE
from nomul.hdl.blocks import BlockCounter
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.fabric import fabric_of
from nomul.hdl.loop import Loop
from nomul.hdl.weight_ring import RingReader

__all__ = ["TileLoader"]


class TileLoader(wiring.Component):
    """Loads the layer's tiles in order of use; a group's tiles are read again for every block of pixels.

    A tile takes as many cycles as it has columns with a channel (`nomul.gen.spec.program.used_columns`), from `take` of
    the one before until `full`; the shadow registers of other columns stay as they are. While `full`, nothing moves.
    Tiles of a `streamed` layer take longer if their words have not come yet.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from the cycle before `start` until the last tile is taken.
    start : In(1)
        Strobe: begin with the layer's first tile.
    full : Out(1)
        The shadow registers hold the next tile, or will in the next cycle.
    take : In(1)
        Strobe, only while `full`: the tile is swapped in two cycles later, or `LATE` more where memories are late. The
        shadow is first overwritten in that same cycle, which `WeightTile` allows.
    memory_address : Out(range(weight_words)), memory_data : In(weight_word_bits)
        Weight memory, data one cycle after the address, or `LATE` more where memories are late.
    load, load_column, load_word : Out
        To `WeightTile`, one cycle after the data.
    ring : In(RingReader(config))
        Only with `weight_stream`.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "descriptor": In(DESCRIPTOR), "start": In(1), "full": Out(1), "take": In(1),
            "memory_address": Out(range(config.weight_words)), "memory_data": In(config.weight_word_bits),
            "load": Out(1), "load_column": Out(range(config.columns)), "load_word": Out(config.weight_word_bits),
            **({"ring": In(RingReader(config))} if config.weight_stream else {}),
        })

    def elaborate(self, platform):
        m = Module()
        layer, columns = Layer(self.descriptor, self._config), self._config.columns
        m.submodules.blocks = blocks = BlockCounter(self._config)
        m.d.comb += blocks.descriptor.eq(self.descriptor)

        # The next column to be asked for, and where the group's first lies.
        column, group_start = Signal(range(columns)), Signal.like(self.memory_address)
        tiles = Loop(m, layer.last("tiles"), "tile")
        left = Signal(len(layer.channels))  # channels of this group and those that follow
        last_column = Signal.like(column)   # of this group

        def last_of(left: Value, following: int) -> Value:
            """The last column of a group that `left` channels are left for, or of the one that follows."""
            return Mux(left >= columns * (1 + following), columns - 1, (left - 1)[:len(column)])

        done = Signal()

        # Of a streamed layer's words in the ring, those before the next one.
        asking, before = Signal(), Signal(range(self._config.weight_words + 1))
        there: Value = Const(1)
        base, following = layer.weight_base, self.memory_address + 1
        if self._config.weight_stream:
            ring = self.ring
            base = Mux(layer.streamed, ring.oldest, base)
            wraps = layer.streamed & (self.memory_address == self._config.weight_words - 1)
            following = Mux(wraps, ring.base, following)
            there = ~layer.streamed | (ring.kept != before) | ring.aborted
            m.d.comb += [
                ring.waiting.eq(asking & ~there), ring.free.eq(asking & there & layer.streamed & blocks.group_end),
            ]

        asked, asked_column = Signal(), Signal.like(column)
        m.d.sync += [asked.eq(0), asked_column.eq(column)]
        arriving, arriving_column = asked, asked_column
        for n in range(LATE if fabric_of(platform).late_memories else 0):
            under_way, its_column = Signal(name=f"under_way{n}"), Signal.like(column, name=f"under_way{n}_column")
            m.d.sync += [under_way.eq(arriving), its_column.eq(arriving_column)]
            arriving, arriving_column = under_way, its_column
        m.d.sync += [
            self.load.eq(arriving), self.load_column.eq(arriving_column), self.load_word.eq(self.memory_data),
        ]

        loading = Signal()
        m.d.comb += asking.eq(loading | (self.full & self.take & ~done))
        tile_end = column == last_column
        group_end = tile_end & tiles.end & blocks.group_end
        m.d.comb += blocks.advance.eq(asking & there & tile_end & tiles.end)
        with m.If(self.full & self.take):
            m.d.sync += [self.full.eq(0), loading.eq(~done)]
        with m.If(asking & there):
            m.d.sync += [
                asked.eq(1), column.eq(Mux(tile_end, 0, column + 1)), before.eq(before + ~blocks.group_end),
                self.memory_address.eq(Mux(tile_end & tiles.end & ~blocks.group_end, group_start, following)),
            ]
            with m.If(tile_end):
                m.d.sync += [self.full.eq(1), loading.eq(0), *tiles.next()]
            with m.If(tile_end & tiles.end):
                m.d.sync += [done.eq(blocks.last), before.eq(0)]
            with m.If(group_end):
                m.d.sync += [group_start.eq(following), left.eq(left - columns), last_column.eq(last_of(left, 1))]
        with m.If(self.start):
            m.d.comb += blocks.first.eq(1)
            m.d.sync += [
                self.memory_address.eq(base), group_start.eq(base), before.eq(0), left.eq(layer.channels),
                last_column.eq(last_of(layer.channels, 0)),
                column.eq(0), done.eq(0), loading.eq(1), *tiles.first(),
            ]
        return m
