"""Keeps the network's outputs for the host, and finds the largest."""

import numpy as np
from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import RESULT_BITS

__all__ = ["ResultCollector"]


class ResultCollector(wiring.Component):
    """Stores channel ``group · columns + column`` in the result word of that number, and finds the largest.

    Throughput: one channel a cycle, so a group in ``columns + 1`` cycles; one with channels beyond `count`
    ends early. Groups come in rising order; of equal results the lowest index stays on top.

    Parameters
    ----------
    config : Config
        Gives `columns` and `result_words`, which the compiler does not let `count` exceed.

    Members
    -------
    clear : In(1)
        Strobe, only while not busy: forget the largest result (`top` becomes 0). Result words stay.
    i : In(stream of columns × signed(17))
        Results of a group of channels; the low 16 bits are kept.
    i_group, count : In(10), In(12)
        Number of the group; how many channels the layer has. Taken with the payload.
    busy : Out(1)
        Storing; from the cycle after a transfer.
    top : Out(12)
        Index of the largest result since `clear`.
    read_address : In(12), read_data : Out(16)
        Result memory for the host, data one cycle after the address.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "clear": In(1), "busy": Out(1),
            "i": In(stream.Signature(data.ArrayLayout(signed(RESULT_BITS + 1), config.columns))),
            "i_group": In(10), "count": In(12),
            "top": Out(12), "read_address": In(12), "read_data": Out(RESULT_BITS),
        })

    def elaborate(self, platform):
        m = Module()
        columns = self._config.columns
        m.submodules.memory = memory = Memory(shape=RESULT_BITS, depth=self._config.result_words, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [read.addr.eq(self.read_address), self.read_data.eq(read.data)]

        values = Signal(data.ArrayLayout(signed(RESULT_BITS), columns))     # the next one first
        column = Signal(range(columns))
        group, count = Signal.like(self.i_group), Signal.like(self.count)
        channel = Cat(column, group)
        inside = channel < count

        best = Signal(signed(RESULT_BITS))
        found = Signal()
        m.d.comb += [
            self.i.ready.eq(~self.busy),
            write.addr.eq(channel), write.data.eq(values[0]), write.en.eq(self.busy & inside),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.busy.eq(1), column.eq(0), group.eq(self.i_group), count.eq(self.count)]
            m.d.sync += [values[n].eq(self.i.payload[n]) for n in range(columns)]
        with m.If(self.busy):
            m.d.sync += [column.eq(column + 1), values.as_value().eq(values.as_value()[RESULT_BITS:])]
            with m.If(~inside | (column == columns - 1)):
                m.d.sync += self.busy.eq(0)
            with m.If(inside & (~found | (values[0] > best))):
                m.d.sync += [found.eq(1), best.eq(values[0]), self.top.eq(channel)]
        with m.If(self.clear):
            m.d.sync += [found.eq(0), self.top.eq(0)]
        return m

    @staticmethod
    def model(groups: np.ndarray, count: int) -> tuple[np.ndarray, int]:
        """Result words (signed, shape (count,)) and TOP of groups of channels, shape (groups, columns)."""
        results = np.asarray(groups).reshape(-1)[:count]
        return results, int(np.argmax(results))
