"""Counts what the engines do: the performance counters that the host reads after a run."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ActivityCounters"]


class ActivityCounters(wiring.Component):
    """How many cycles of a run the engines spent on what.

    What `nomul.sw.cycles` predicts, under the same names; the remaining cycles fetch descriptors. No engine waits for
    activations, which come a word a cycle; only a run's begin waits for its image.

    Members
    -------
    clear : In(1)
        Strobe: a run begins.
    awaiting : In(1)
        No run is at work, and the one that was started waits for its image.
    executing : In(1)
        An engine is at work.
    working : In(1), lacks_tile : In(1), lacks_bank : In(1)
        At most one of them: the engine gets a word, waits for weights, or for accumulators.
    busy, weights, accumulators, drain : Out(32)
        Cycles of each kind; in those of `drain` the engine works on what it got before.
    input : Out(32)
        Cycles of `awaiting` before the run.
    """

    clear: In(1)
    awaiting: In(1)
    executing: In(1)
    working: In(1)
    lacks_tile: In(1)
    lacks_bank: In(1)
    busy: Out(32)
    weights: Out(32)
    accumulators: Out(32)
    drain: Out(32)
    input: Out(32)

    def elaborate(self, platform):
        m = Module()
        kinds = {"busy": self.working, "weights": self.lacks_tile, "accumulators": self.lacks_bank}
        kinds["drain"] = self.executing & ~(self.working | self.lacks_tile | self.lacks_bank)
        for name, happens in kinds.items():
            counter = getattr(self, name)
            m.d.sync += counter.eq(counter + happens)
            with m.If(self.clear):
                m.d.sync += counter.eq(0)
        awaited = Signal(32)
        m.d.sync += awaited.eq(awaited + self.awaiting)
        with m.If(self.clear):
            m.d.sync += [self.input.eq(awaited), awaited.eq(0)]
        return m
