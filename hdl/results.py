"""Keeps what came of the last runs for the host: cycles, the network's outputs, and which is the largest."""

import numpy as np
from amaranth.hdl import Array, Cat, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import RUNS_KEPT
from nomul.gen.spec.program import RESULT_BITS
from nomul.gen.spec.registers import RESULT_HEADER
from nomul.hdl.constants import held
from nomul.hdl.fabric import fabric_of
from nomul.hdl.memory import plain_memory

__all__ = ["ResultCollector"]


class ResultCollector(wiring.Component):
    """Stores channel ``group · columns + column`` in the result word of that number, and finds the largest.

    Throughput: one channel a cycle, so a group in ``columns + 1`` cycles; one with channels beyond `count`
    ends early. Groups come in rising order; of equal results the lowest index stays on top. The words of a run are
    those of `nomul.gen.spec.registers.Region.RESULTS`.

    Parameters
    ----------
    config : Config
        Gives `columns` and `result_words`, which the compiler does not let `count` exceed.

    Members
    -------
    clear : In(1), run : In(2)
        Strobe, only while not busy: a new run, of this number. Forget the largest result (`top` becomes 0).
    finish : In(1), cycles : In(32)
        Strobe: the run has ended. Write how many cycles it took, which are stable from the next cycle on, and `top`.
    i : In(stream of columns × signed(17))
        Results of a group of channels; the low 16 bits are kept.
    i_group, count : In(10), In(12)
        Number of the group; how many channels the layer has. Taken with the payload.
    busy : Out(1)
        Storing; from the cycle after a transfer or `finish`. The last word can be read two cycles after it has ended,
        and sooner where memories are not late.
    top : Out(12)
        Index of the largest result since `clear`; of the last word stored at most a cycle after `busy` has ended.
    read_run : In(2), read_address : In(13), read_data : Out(16)
        Result words of one of the last runs, data one cycle after the address.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "clear": In(1), "run": In(range(RUNS_KEPT)), "finish": In(1), "cycles": In(32), "busy": Out(1),
            "i": In(stream.Signature(data.ArrayLayout(signed(RESULT_BITS + 1), config.columns))),
            "i_group": In(10), "count": In(12),
            "top": Out(12), "read_run": In(range(RUNS_KEPT)), "read_address": In(13), "read_data": Out(RESULT_BITS),
        })

    def elaborate(self, platform):
        m = Module()
        columns = self._config.columns
        bits = ceil_log2(self._config.result_words + RESULT_HEADER)
        m.submodules.memory = memory = plain_memory(RESULT_BITS, RUNS_KEPT << bits)
        write, read = memory.write_port(), memory.read_port()
        run, word, stored, stores = Signal.like(self.run), Signal(bits), Signal(RESULT_BITS), Signal()
        late = fabric_of(platform).late_memories        # and far away
        m.d.comb += [
            read.addr.eq(Cat(self.read_address[:bits], self.read_run)), self.read_data.eq(read.data),
            *(port.eq(held(m, value, name) if late else value) for port, value, name in (
                (write.addr, Cat(word, run), "to"), (write.data, stored, "word"), (write.en, stores, "writes"))),
        ]

        values = Signal(data.ArrayLayout(signed(RESULT_BITS), columns))     # the next one first
        column = Signal(range(columns))
        group, count = Signal.like(self.i_group), Signal.like(self.count)
        channel = Cat(column, group)
        inside = channel < count

        storing, finishing = Signal(), Signal()
        header = Signal(range(RESULT_HEADER))
        m.d.comb += [self.i.ready.eq(~self.busy), self.busy.eq(storing | finishing)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += storing.eq(1)
        with m.If(storing):
            m.d.comb += [word.eq(channel + RESULT_HEADER), stored.eq(values[0]), stores.eq(inside)]
            m.d.sync += [column.eq(column + 1), values.as_value().eq(values.as_value()[RESULT_BITS:])]
            with m.If(~inside | (column == columns - 1)):
                m.d.sync += storing.eq(0)
        with m.Else():      # whether or not there is something: so many registers would have to know it in time
            m.d.sync += [column.eq(0), group.eq(self.i_group), count.eq(self.count)]
            m.d.sync += [values[n].eq(self.i.payload[n]) for n in range(columns)]
        with m.If(~storing & finishing):
            m.d.comb += [
                word.eq(header), stores.eq(1),
                stored.eq(Array([self.cycles[:16], self.cycles[16:], self.top])[header]),
            ]
            m.d.sync += header.eq(header + 1)
            with m.If(header == RESULT_HEADER - 1):
                m.d.sync += [header.eq(0), finishing.eq(0)]
        with m.If(self.finish):
            m.d.sync += finishing.eq(1)

        # The comparison may come a cycle after the word: `top` is written in the last of the cycles of `finishing`.
        compare, found = Signal(), Signal()
        best, value = Signal(signed(RESULT_BITS)), Signal(signed(RESULT_BITS), reset_less=True)
        where = Signal.like(self.top, reset_less=True)
        m.d["sync" if late else "comb"] += [compare.eq(storing & inside), value.eq(values[0]), where.eq(channel)]
        with m.If(compare & (~found | (value > best))):
            m.d.sync += [found.eq(1), best.eq(value), self.top.eq(where)]
        with m.If(self.clear):
            m.d.sync += [found.eq(0), self.top.eq(0), run.eq(self.run)]
        return m

    @staticmethod
    def model(groups: np.ndarray, count: int) -> tuple[np.ndarray, int]:
        """Result words (signed, shape (count,)) and TOP of groups of channels, shape (groups, columns)."""
        results = np.asarray(groups).reshape(-1)[:count]
        return results, int(np.argmax(results))
