"""Runs the program: fetches one layer descriptor after the other and lets the engines execute it."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import DESCRIPTOR_WORDS, Opcode
from nomul.hdl.descriptor import DESCRIPTOR

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """From `start` to the END descriptor; a layer begins when the one before has ended.

    A descriptor takes ``DESCRIPTOR_WORDS + 2`` cycles to fetch.

    Members
    -------
    start : In(1), busy : Out(1)
        Strobe; high from the next cycle until END has been read.
    cycles : Out(32)
        Clock cycles of the current or last run.
    program_address : Out, program_data : In(32)
        Program memory, data one cycle after the address.
    descriptor : Out(DESCRIPTOR)
        The layer; stable while its engine is busy.
    array_start, vector_start : Out(1); array_busy, vector_busy : In(1)
        The engines.
    executing : Out(1)
        One of them is at work.
    done : Out(1)
        Strobe: the last cycle of `busy`.
    input_free : Out(1)
        Nothing reads the image any more: low from `start` until a layer with `frees_input`, or the program, has ended.
    """

    def __init__(self, config: Config):
        self._depth = config.program_layers * DESCRIPTOR_WORDS
        super().__init__({
            "start": In(1), "busy": Out(1), "cycles": Out(32),
            "program_address": Out(range(self._depth)), "program_data": In(32),
            "descriptor": Out(DESCRIPTOR),
            "array_start": Out(1), "array_busy": In(1), "vector_start": Out(1), "vector_busy": In(1),
            "executing": Out(1), "done": Out(1), "input_free": Out(1, init=1),
        })

    def elaborate(self, platform):
        m = Module()
        # Each word has an enable of its own, so that only bits that somebody reads are registers.
        words = [Signal(32, name=f"word{n}") for n in range(DESCRIPTOR_WORDS)]
        begin, arriving, loaded = Signal(), Signal(DESCRIPTOR_WORDS), Signal()
        m.d.comb += self.descriptor.as_value().eq(Cat(words))
        m.d.sync += [begin.eq(0), Cat(arriving, loaded).eq(Cat(begin, arriving))]
        for word, enable in zip(words, arriving, strict=True):
            with m.If(enable):
                m.d.sync += word.eq(self.program_data)
        with m.If(self.busy):
            m.d.sync += self.cycles.eq(self.cycles + 1)

        with m.FSM() as fsm:
            with m.State("Idle"):
                with m.If(self.start):
                    m.d.sync += [
                        self.program_address.eq(0), self.cycles.eq(0), begin.eq(1), self.input_free.eq(0),
                    ]
                    m.next = "Fetch"
            with m.State("Fetch"):
                with m.If(~(arriving[-1] | loaded)):
                    m.d.sync += self.program_address.eq(self.program_address + 1)
                with m.If(loaded):
                    m.next = "Dispatch"
            with m.State("Dispatch"):
                m.next = "Execute"
                with m.Switch(self.descriptor.opcode):
                    with m.Case(Opcode.ARRAY):
                        m.d.comb += self.array_start.eq(1)
                    with m.Case(Opcode.VECTOR):
                        m.d.comb += self.vector_start.eq(1)
                    with m.Default():
                        m.d.comb += self.done.eq(1)
                        m.d.sync += self.input_free.eq(1)
                        m.next = "Idle"
            with m.State("Execute"):
                m.d.comb += self.executing.eq(1)
                with m.If(~self.array_busy & ~self.vector_busy):
                    m.d.sync += [self.input_free.eq(self.input_free | self.descriptor.frees_input), begin.eq(1)]
                    m.next = "Fetch"
        m.d.comb += self.busy.eq(~fsm.ongoing("Idle"))
        return m
