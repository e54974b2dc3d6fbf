"""Streams weight tiles from the weight memory into the shadow registers, one column a cycle, ahead of their use."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.blocks import BlockCounter
from nomul.hdl.descriptor import DESCRIPTOR

__all__ = ["TileLoader"]


class TileLoader(wiring.Component):
    """Loads the layer's tiles in order of use; a group's tiles are read again for every block of pixels.

    A tile takes ``columns + 1`` cycles from `take` of the one before until `full`. While `full`, nothing moves.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from `start` until the last tile is taken.
    start : In(1)
        Strobe: begin with the layer's first tile.
    full : Out(1)
        The shadow registers hold the next tile.
    take : In(1)
        Strobe, only while `full`: the tile is swapped in two cycles later. The shadow is first overwritten in that
        same cycle, which `WeightTile` allows.
    memory_address : Out(range(weight_words)), memory_data : In(weight_word_bits)
        Weight memory, data one cycle after the address.
    load, load_column, load_word : Out
        To `WeightTile`.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "descriptor": In(DESCRIPTOR), "start": In(1), "full": Out(1), "take": In(1),
            "memory_address": Out(range(config.weight_words)), "memory_data": In(config.weight_word_bits),
            "load": Out(1), "load_column": Out(range(config.columns)), "load_word": Out(config.weight_word_bits),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.blocks = blocks = BlockCounter(self._config)
        last_column = self._config.columns - 1
        column = Signal(range(self._config.columns))
        tile = Signal(16)
        group_start = Signal.like(self.memory_address)
        issued = Signal()

        m.d.comb += [blocks.descriptor.eq(self.descriptor), self.load_word.eq(self.memory_data), self.load.eq(issued)]
        m.d.sync += [issued.eq(0), self.load_column.eq(column)]

        with m.FSM():
            with m.State("Idle"):
                with m.If(self.start):
                    m.d.comb += blocks.first.eq(1)
                    m.d.sync += [
                        self.memory_address.eq(self.descriptor.weight_base),
                        group_start.eq(self.descriptor.weight_base),
                        column.eq(0), tile.eq(0),
                    ]
                    m.next = "Load"
            with m.State("Load"):
                m.d.sync += [
                    issued.eq(1), column.eq(column + 1), self.memory_address.eq(self.memory_address + 1),
                ]
                with m.If(column == last_column):
                    m.d.sync += column.eq(0)
                    m.next = "Full"
            with m.State("Full"):
                m.d.comb += self.full.eq(1)
                with m.If(self.take):
                    m.next = "Load"
                    m.d.sync += tile.eq(tile + 1)
                    with m.If(tile == self.descriptor.tiles - 1):
                        m.d.sync += tile.eq(0)
                        m.d.comb += blocks.advance.eq(1)
                        with m.If(blocks.group_end):
                            m.d.sync += group_start.eq(self.memory_address)
                        with m.Else():
                            m.d.sync += self.memory_address.eq(group_start)
                        with m.If(blocks.last):
                            m.next = "Idle"
        return m
