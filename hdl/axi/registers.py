"""The registers on AXI4-Lite: those of the core, through the host bus, and those of the streams."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.axi import AXI_REGISTERS, SECTION, WORD_BASE, StreamError, axi_address
from nomul.gen.spec.frames import RUNS_KEPT
from nomul.gen.spec.registers import REGISTERS, Region
from nomul.hdl.axi.arbiter import BusClient
from nomul.hdl.axi.lite import RegisterAccess

__all__ = ["AxiRegisters"]


class AxiRegisters(wiring.Component):
    """Carries out the accesses of AXI4-Lite, whatever else is going on.

    Parameters
    ----------
    width : int
        Bytes of a beat of the streams.
    word_bits : int
        Bits of the longest memory word.

    Members
    -------
    access : In(RegisterAccess)
        From AXI4-Lite. Takes one cycle, or, for a register of the core, its turn on the host bus and two cycles.
    client : Out(BusClient), read_data : In(32)
        Of the host bus.
    errors : In(StreamError)
        Strobes, kept in ERRORS.
    unsent : In, left : In(32), checksum : In(32), word : In(word_bits)
        Shown in UNSENT, CHECK_WORDS, CHECKSUM, and at `WORD_BASE`.
    halt : Out(1), image_bytes, stream_words : Out(32), check_address : Out(24), check_region : Out(8)
        As the host wrote them; 0 at power-up.
    check_words : Out(32), check_begin : Out(1)
        What is written to CHECK_WORDS, with a strobe.
    """

    def __init__(self, width: int, word_bits: int):
        self._width, self._word_bits = width, word_bits
        super().__init__({
            "access": In(RegisterAccess()), "client": Out(BusClient(32)), "read_data": In(32),
            "errors": In(len(StreamError)), "unsent": In(range(RUNS_KEPT + 1)), "left": In(32), "checksum": In(32),
            "word": In(word_bits),
            "halt": Out(1), "image_bytes": Out(32), "stream_words": Out(32),
            "check_address": Out(SECTION["address"]), "check_region": Out(SECTION["region"]),
            "check_words": Out(32), "check_begin": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        access, client = self.access, self.client
        errors = Signal.like(self.errors)
        values = {
            "STREAM_BYTES": self._width, "HALT": self.halt, "IMAGE_BYTES": self.image_bytes,
            "STREAM_WORDS": self.stream_words, "UNSENT": self.unsent, "ERRORS": errors,
            "CHECK_WHERE": Cat(self.check_address, self.check_region), "CHECK_WORDS": self.left,
            "CHECKSUM": self.checksum,
        }
        stored = {"HALT": self.halt, "IMAGE_BYTES": self.image_bytes, "STREAM_WORDS": self.stream_words,
                  "CHECK_WHERE": Cat(self.check_address, self.check_region)}
        m.d.sync += errors.eq(errors | self.errors)
        m.d.comb += [
            client.region.eq(Region.REGISTERS), client.write.eq(access.write), client.address.eq(access.address),
            client.data.eq(access.data), self.check_words.eq(access.data),
        ]
        with m.FSM():
            with m.State("Decode"):
                with m.If(access.access & (access.address < len(REGISTERS))):
                    m.d.comb += client.request.eq(1)
                    with m.If(client.taken & access.write):
                        m.d.comb += access.done.eq(1)
                    with m.Elif(client.taken):
                        m.next = "Wait"
                with m.Elif(access.access):
                    m.d.comb += access.done.eq(1)
                    with m.Switch(access.address):
                        for register in AXI_REGISTERS:
                            with m.Case(axi_address(register.name) // 4):
                                m.d.comb += access.value.eq(values[register.name])
                                with m.If(access.write):
                                    if register.name in stored:
                                        m.d.sync += stored[register.name].eq(access.data)
                                    if register.name == "ERRORS":
                                        m.d.sync += errors.eq(errors & ~access.data | self.errors)
                                    if register.name == "CHECK_WORDS":
                                        m.d.comb += self.check_begin.eq(1)
                        for n in range(0, self._word_bits, 32):
                            with m.Case((WORD_BASE + n // 8) // 4):
                                m.d.comb += access.value.eq(self.word[n:n + 32])
                        with m.Default():
                            m.d.comb += access.error.eq(1)
            with m.State("Wait"):
                m.next = "Latch"
            with m.State("Latch"):
                m.d.comb += [access.value.eq(self.read_data), access.done.eq(1)]
                m.next = "Decode"
        return m
