"""AXI4-Stream: the bus's signature, its ends as Amaranth streams of beats, and beats cut into bytes."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nomul.gen.spec.axi import STREAM_BYTES
from nomul.hdl.stream import RegisterSlice

__all__ = ["BYTE", "AxiStream", "ByteCutter", "StreamInput", "StreamOutput", "beat_layout"]

#: A byte of a packet: `keep` is 0 if the packet ends without one.
BYTE = data.StructLayout({"data": unsigned(8), "keep": 1, "last": 1})


def beat_layout(width: int) -> data.StructLayout:
    """One beat of `width` bytes: `data`, `keep` (which bytes count), `last` (the packet ends here).

    Raises
    ------
    ValueError
        If the width is none of `STREAM_BYTES`.
    """
    if width not in STREAM_BYTES:
        raise ValueError(f"a beat of the streams must be one of {', '.join(map(str, STREAM_BYTES))} bytes, "
                         f"not {width!r}")
    return data.StructLayout({"data": 8 * width, "keep": width, "last": 1})


class AxiStream(wiring.Signature):
    """AXI4-Stream of beats of `width` bytes (Arm IHI 0051); the transmitter is the initiator."""

    def __init__(self, width: int):
        beat = beat_layout(width)
        super().__init__({
            **{f"t{name}": Out(beat[name].shape) for name in ("data", "keep", "last")},
            "tvalid": Out(1), "tready": In(1),
        })


class StreamInput(wiring.Component):
    """From AXI4-Stream to beats, through a register slice: full throughput, a cycle of latency.

    Members
    -------
    bus : In(AxiStream(width))
        The bus; `tready` is a register.
    o : Out(stream of beat_layout(width))
        The same beats.
    """

    def __init__(self, width: int):
        self._layout = beat_layout(width)
        super().__init__({"bus": In(AxiStream(width)), "o": Out(stream.Signature(self._layout))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.slice = register = RegisterSlice(self._layout)
        m.d.comb += [
            register.i.payload.data.eq(self.bus.tdata), register.i.payload.keep.eq(self.bus.tkeep),
            register.i.payload.last.eq(self.bus.tlast),
            register.i.valid.eq(self.bus.tvalid), self.bus.tready.eq(register.i.ready),
        ]
        connect(m, register.o, flipped(self.o))
        return m


class StreamOutput(wiring.Component):
    """From beats to AXI4-Stream, through a register.

    Members
    -------
    i : In(stream of beat_layout(width))
        The beats; taken while nothing is offered, so every second cycle at most.
    bus : Out(AxiStream(width))
        The bus; all outputs are registers.
    clear : In(1)
        Withdraw what is offered: only while the other end is reset, too.
    """

    def __init__(self, width: int):
        super().__init__({
            "i": In(stream.Signature(beat_layout(width))), "bus": Out(AxiStream(width)), "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        bus, beat = self.bus, self.i.payload
        m.d.comb += self.i.ready.eq(~bus.tvalid)
        with m.If(self.clear | (bus.tvalid & bus.tready)):
            m.d.sync += bus.tvalid.eq(0)
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += [
                bus.tdata.eq(beat.data), bus.tkeep.eq(beat.keep), bus.tlast.eq(beat.last), bus.tvalid.eq(1),
            ]
        return m


class ByteCutter(wiring.Component):
    """Cuts beats into bytes, low byte first, one a cycle.

    Bytes without `keep` are left out. `last` comes with the packet's last byte, or, if its last beat has no byte at
    all, with a payload that has `keep` 0. `i.ready` follows `o.ready` combinationally.

    Parameters
    ----------
    width : int
        Bytes of a beat.

    Members
    -------
    i : In(stream of beat_layout(width)), o : Out(stream of BYTE)
        The two ends.
    """

    def __init__(self, width: int):
        self._width = width
        super().__init__({"i": In(stream.Signature(beat_layout(width))), "o": Out(stream.Signature(BYTE))})

    def elaborate(self, platform):
        m = Module()
        beat = Signal(beat_layout(self._width))
        empty = Signal()        # a last beat without bytes
        following = beat.keep >> 1
        final = ~following.any()
        m.d.comb += [
            self.o.payload.data.eq(beat.data[:8]), self.o.payload.keep.eq(beat.keep[0]),
            self.o.payload.last.eq(beat.last & final), self.o.valid.eq(beat.keep[0] | empty),
        ]
        moves = ~self.o.valid | self.o.ready    # a byte without keep in front of others goes by itself
        m.d.comb += self.i.ready.eq(moves & final)
        with m.If(moves):
            m.d.sync += [beat.data.eq(beat.data >> 8), beat.keep.eq(following), empty.eq(0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [beat.eq(self.i.payload), empty.eq(self.i.payload.last & ~self.i.payload.keep.any())]
        return m
