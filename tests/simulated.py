"""Small components that tests of the simulators share."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Mixer(wiring.Component):
    """Every kind of port: narrow, signed, 64 bits, wide; registered and combinational outputs."""

    a: In(signed(5))
    b: In(33)
    wide: In(100)
    enable: In(1)
    total: Out(64)
    mixed: Out(100)
    through: Out(signed(7))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.through.eq(self.a + self.b[:3])
        with m.If(self.enable):
            m.d.sync += [self.total.eq(self.total + self.b + self.a), self.mixed.eq(self.wide ^ self.mixed)]
        return m


class Increment(wiring.Component):
    """A byte stream: each byte comes out one larger, after a pause of `pause` cycles."""

    rx: In(stream.Signature(8))
    tx: Out(stream.Signature(8))

    def __init__(self, pause: int = 3):
        self._pause = pause
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        full, wait = Signal(), Signal(range(self._pause + 1))
        m.d.comb += [self.rx.ready.eq(~full), self.tx.valid.eq(full & (wait == 0))]
        with m.If(self.rx.valid & self.rx.ready):
            m.d.sync += [full.eq(1), wait.eq(self._pause), self.tx.payload.eq(self.rx.payload + 1)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(self.tx.ready):
            m.d.sync += full.eq(0)
        return m
