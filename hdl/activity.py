"""Counts what the engines do: the performance counters that the host reads after a run."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ActivityCounters"]


class ActivityCounters(wiring.Component):
    """How many cycles of a run the engines spent on what.

    What `nomul.sw.cycles` predicts, under the same names; the remaining cycles fetch descriptors.

    Members
    -------
    clear : In(1)
        Strobe: a run begins.
    executing : In(1)
        An engine is at work.
    working : In(1), lacks_tile : In(1), lacks_bank : In(1)
        At most one of them: the engine gets a word, waits for weights, or for accumulators.
    busy, weights, accumulators, drain : Out(32)
        Cycles of each kind; in those of `drain` the engine works on what it got before.
    """

    clear: In(1)
    executing: In(1)
    working: In(1)
    lacks_tile: In(1)
    lacks_bank: In(1)
    busy: Out(32)
    weights: Out(32)
    accumulators: Out(32)
    drain: Out(32)

    def elaborate(self, platform):
        m = Module()
        kinds = {"busy": self.working, "weights": self.lacks_tile, "accumulators": self.lacks_bank}
        kinds["drain"] = self.executing & ~(self.working | self.lacks_tile | self.lacks_bank)
        for name, happens in kinds.items():
            counter = getattr(self, name)
            m.d.sync += counter.eq(counter + happens)
            with m.If(self.clear):
                m.d.sync += counter.eq(0)
        return m
