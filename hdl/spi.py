"""SPI: the device's side of a serial link with a clock from the host; mode 0, most significant bit first."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.frames import END

__all__ = ["SpiDevice", "model"]

_LAST_BIT = 7


def model(data: bytes) -> bytes:
    """The bytes that pass of those on the line, in either direction: of several `END` in a row, the first.

    `END` stands for nothing to say; between frames it changes nothing. The line begins as if behind one.
    """
    return bytes(byte for before, byte in zip(bytes([END]) + data, data, strict=False) if (before, byte) != (END, END))


class SpiDevice(wiring.Component):
    """Bytes of an SPI bus, both ways at once, for the framed link of `nomul.gen.spec.frames`.

    Both sides must speak at the same time, whether they have something to say or not: who has nothing sends `END`.
    That makes no difference between frames, and within a frame the accelerator's next byte is there long before it is
    needed. What the host sends of it is dropped here (see `model`), so that it can ask for as long as it likes.

    The host's clock is sampled like any other line, so all of this is in one clock domain. A clock of SPI takes at
    least 6 clocks of the domain, half of them high and half of them low. `miso` changes 3 or 4 after the clock's
    rising edge, which is after the host has looked at it. `cs_n` must be low for 4 before the first rising edge, and
    high for 4 between two transfers. A transfer has any number of bytes; a byte that `cs_n` cuts short is lost both
    ways. A byte that comes before the byte before it has been taken is dropped, as a UART does.

    Members
    -------
    sck, cs_n, mosi : In(1)
        From the host; they are synchronized here.
    miso : Out(1)
        To the host; it is always driven.
    i : In(stream of 8)
        Bytes to the host. One is taken with its first bit.
    o : Out(stream of 8)
        Bytes from the host.
    """

    sck: In(1)
    cs_n: In(1, init=1)
    mosi: In(1)
    miso: Out(1)
    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        """The synchronizers, a shift register for each direction, and a counter of bits."""
        m = Module()
        sck, deselected, mosi = Signal(), Signal(init=1), Signal()
        m.submodules.sck = FFSynchronizer(self.sck, sck)
        m.submodules.cs_n = FFSynchronizer(self.cs_n, deselected, init=1)
        m.submodules.mosi = FFSynchronizer(self.mosi, mosi)
        before, rising = Signal(), Signal()
        m.d.sync += before.eq(sck)
        m.d.comb += rising.eq(sck & ~before & ~deselected)

        received, sending = Signal(8), Signal(8)
        waiting = Signal()                  # `sending` is a byte of `i` that has not begun
        count = Signal(range(_LAST_BIT + 1))
        byte = Signal(8)
        silence = Signal(init=1)            # the last byte that passed was END
        loading = Signal()
        m.d.comb += [
            self.miso.eq(sending[_LAST_BIT]), byte.eq(Cat(mosi, received)), loading.eq(deselected),
            self.i.ready.eq(rising & waiting & (count == 0)),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(deselected):
            m.d.sync += count.eq(0)
        with m.If(rising):
            m.d.sync += [received.eq(byte), sending.eq(sending << 1), count.eq(count + 1)]
            with m.If(count == _LAST_BIT):
                m.d.comb += loading.eq(1)
                with m.If(~(silence & (byte == END)) & (~self.o.valid | self.o.ready)):
                    m.d.sync += [self.o.payload.eq(byte), self.o.valid.eq(1), silence.eq(byte == END)]
        with m.If(loading):
            m.d.sync += [sending.eq(Mux(self.i.valid, self.i.payload, END)), waiting.eq(self.i.valid)]
        return m
