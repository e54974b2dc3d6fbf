"""The framed link in hardware: bytes to whole, checked frames and back (`nomul.gen.spec.frames`)."""

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE, HEADER_BYTES
from nomul.hdl.crc import Crc32
from nomul.hdl.memory import plain_memory
from nomul.hdl.stream import RegisterSlice, Wires

__all__ = ["HEADER", "FrameReceiver", "FrameTransmitter", "ReceivedFrame"]

CHECK_BYTES = 4

#: The bytes of a frame before its payload, first byte lowest.
HEADER = data.StructLayout({"sequence": 8, "operation": 8, "length": 16})


class ReceivedFrame(wiring.Signature):
    """A received frame, as the receiver offers it.

    Members
    -------
    valid : Out(1)
        A whole and right frame is held; the other outputs are stable.
    header : Out(HEADER)
        Its sequence number, operation and payload length (at most `frame_bytes`).
    read : In(1), address : In, data : Out(8)
        Strobe: from the next cycle on, until another one, `data` is the payload's byte at `address`.
    take : In(1)
        Strobe, only while `valid`: the frame is done with.
    """

    def __init__(self, config: Config):
        super().__init__({
            "valid": Out(1), "header": Out(HEADER),
            "read": In(1), "address": In(range(config.frame_bytes)), "data": Out(8), "take": In(1),
        })


class FrameReceiver(wiring.Component):
    """Finds frames in a byte stream and offers each whole and right one.

    Takes one byte a cycle, or with `serial_crc` one in 8 cycles, and none while a frame is offered. A frame is offered
    in the cycle after its `END`.

    Parameters
    ----------
    config : Config
        Gives `frame_bytes`, the longest payload, and `serial_crc`.

    Members
    -------
    i : In(stream of 8)
        Bytes of the line.
    frame : Out(ReceivedFrame)
        The frame.
    bad : Out(1)
        Strobe: a frame was discarded (wrong CRC, length or escape, too long or too short). Two `END` with nothing
        between them are no frame.
    """

    def __init__(self, config: Config):
        self._config, self._frame_bytes = config, config.frame_bytes
        super().__init__({"i": In(stream.Signature(8)), "frame": Out(ReceivedFrame(config)), "bad": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = Crc32(serial=self._config.serial_crc)
        m.submodules.memory = memory = plain_memory(8, self._frame_bytes)
        write, read = memory.write_port(), memory.read_port()

        overhead = HEADER_BYTES + CHECK_BYTES
        count = Signal(range(self._frame_bytes + overhead + 1))
        header = Signal(HEADER)
        length = Signal(range(self._frame_bytes + 1))   # the header's; longer frames are broken
        escaped = Signal()
        broken = Signal()
        arriving = Signal()
        byte = Signal(8)

        m.d.comb += [
            # A byte that the CRC counts is taken when that has it.
            self.i.ready.eq(~self.frame.valid & (~crc.valid | crc.ready)), arriving.eq(self.i.valid & self.i.ready),
            crc.valid.eq(self.i.valid & ~self.frame.valid & (self.i.payload != END)
                         & ((self.i.payload != ESCAPE) | escaped)),
            byte.eq(self.i.payload),
            crc.data.eq(byte),
            write.addr.eq(count - HEADER_BYTES), write.data.eq(byte),
            self.frame.header.sequence.eq(header.sequence), self.frame.header.operation.eq(header.operation),
            self.frame.header.length.eq(length),
            read.en.eq(self.frame.read), read.addr.eq(self.frame.address), self.frame.data.eq(read.data),
        ]
        with m.If(escaped):
            m.d.comb += byte.eq(Mux(self.i.payload == ESCAPED_END, END, ESCAPE))
        with m.If(self.frame.take):
            m.d.sync += self.frame.valid.eq(0)

        with m.If(arriving):
            m.d.sync += escaped.eq(0)
            with m.If(self.i.payload == END):
                whole = ~broken & ~escaped & crc.match & (count == length + overhead)
                m.d.comb += [crc.start.eq(1), self.bad.eq(~whole & ((count != 0) | escaped | broken))]
                m.d.sync += [self.frame.valid.eq(whole), count.eq(0), broken.eq(0)]
            with m.Elif((self.i.payload == ESCAPE) & ~escaped):
                m.d.sync += escaped.eq(1)
            with m.Else():
                with m.If(escaped & (self.i.payload != ESCAPED_END) & (self.i.payload != ESCAPED_ESCAPE)):
                    m.d.sync += broken.eq(1)
                # The check bytes of a short payload land behind it, where nobody reads.
                m.d.comb += write.en.eq((count >= HEADER_BYTES) & (count < HEADER_BYTES + self._frame_bytes))
                with m.If(count == self._frame_bytes + overhead):
                    m.d.sync += broken.eq(1)
                with m.Else():
                    m.d.sync += count.eq(count + 1)
                with m.Switch(count):
                    with m.Case(0):
                        m.d.sync += header.sequence.eq(byte)
                    with m.Case(1):
                        m.d.sync += header.operation.eq(byte)
                    for n, part in ((2, length[:8]), (3, length[8:])):
                        with m.Case(n):
                            m.d.sync += part.eq(byte)
                            with m.If(byte[len(part):].any()):
                                m.d.sync += broken.eq(1)
        return m


def _byte_of(value, index) -> Value:
    # Not `word_select`, which multiplies the index by 8.
    value = Value.cast(value)
    return Array(value[n:n + 8] for n in range(0, len(value), 8))[index]


class FrameTransmitter(wiring.Component):
    """Writes frames: header, payload and CRC with escapes, then `END`. Between frames its CRC serves others, too.

    Gives one byte a cycle as long as the payload keeps up, or with `serial_crc` one in 8 cycles or more.

    Parameters
    ----------
    config : Config
        Gives `serial_crc`.

    Members
    -------
    header : In(stream of HEADER)
        Opens a frame; taken with its last byte.
    payload : In(stream of 8)
        Exactly `length` bytes are taken after the header. With `absorb`, bytes only go into the CRC.
    absorb : In(1)
        No frame follows before the CRC of the payload's bytes has been read.
    crc : Out(32), clear : In(1)
        CRC of what was absorbed; strobe: forget it.
    o : Out(stream of 8)
        Bytes of the line.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "header": In(stream.Signature(HEADER)), "payload": In(stream.Signature(8)), "o": Out(stream.Signature(8)),
            "absorb": In(1), "crc": Out(32), "clear": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = Crc32(serial=self._config.serial_crc)
        remaining, empty = Signal(range(self._config.frame_bytes + 1)), Signal()    # of the payload; nothing is left
        index = Signal(2)
        # What is escaped, and by a mark what is not, lies in registers before, so that escapes are found in time.
        slice_of = Wires if self._config.serial_crc else RegisterSlice
        m.submodules.plain = plain = slice_of(data.StructLayout({"byte": 8, "end": 1}))
        self._escape(m, plain.o)

        # A byte before it is escaped; `moved` when those registers have it. Those that the CRC counts go there when the
        # CRC has them, or at the same time.
        byte, valid, counts, counted = Signal(8), Signal(), Signal(), Signal()
        offered, moved = Signal(), Signal()
        m.d.comb += [
            offered.eq(valid & (~counts | counted)), plain.i.valid.eq(offered), plain.i.payload.byte.eq(byte),
            crc.data.eq(byte), moved.eq(offered & plain.i.ready), self.crc.eq(crc.crc), crc.start.eq(self.clear),
        ]
        if self._config.serial_crc:
            m.d.comb += crc.valid.eq(valid & counts & ~counted)
            with m.If(moved):
                m.d.sync += counted.eq(0)
            with m.Elif(counts & crc.valid & crc.ready):
                m.d.sync += counted.eq(1)
        else:
            m.d.comb += [counted.eq(1), crc.valid.eq(moved & counts)]
        with m.If(moved):
            m.d.sync += index.eq(index + 1)

        with m.FSM():
            with m.State("Header"):
                m.d.comb += [
                    byte.eq(_byte_of(self.header.payload, index)), valid.eq(self.header.valid & ~self.absorb),
                    counts.eq(~self.absorb),
                ]
                with m.If(self.absorb):
                    m.d.comb += [
                        crc.data.eq(self.payload.payload), crc.valid.eq(self.payload.valid),
                        self.payload.ready.eq(crc.ready),
                    ]
                m.d.sync += [remaining.eq(self.header.payload.length), empty.eq(self.header.payload.length == 0)]
                with m.If(moved & (index == HEADER_BYTES - 1)):
                    m.d.comb += self.header.ready.eq(1)
                    m.next = "Payload"
            with m.State("Payload"):
                m.d.sync += index.eq(0)
                with m.If(empty):
                    m.next = "Check"
                with m.Else():
                    m.d.comb += [
                        byte.eq(self.payload.payload), valid.eq(self.payload.valid),
                        self.payload.ready.eq(moved), counts.eq(1),
                    ]
                    with m.If(moved):
                        m.d.sync += [remaining.eq(remaining - 1), empty.eq(remaining == 1)]
            with m.State("Check"):
                m.d.comb += [byte.eq(_byte_of(crc.crc, index)), valid.eq(1)]
                with m.If(moved & (index == CHECK_BYTES - 1)):
                    m.next = "End"
            with m.State("End"):
                m.d.comb += [byte.eq(END), plain.i.payload.end.eq(1), valid.eq(1), crc.start.eq(1)]
                m.d.sync += index.eq(0)
                with m.If(moved):
                    m.next = "Header"
        return m

    def _escape(self, m: Module, plain) -> None:
        """From bytes, each with a mark whether it is the frame's end, to the line."""
        byte, escaped = plain.payload.byte, Signal()
        special = ((byte == END) | (byte == ESCAPE)) & ~plain.payload.end
        m.d.comb += [self.o.valid.eq(plain.valid), self.o.payload.eq(byte), plain.ready.eq(self.o.ready)]
        with m.If(special & ~escaped):
            m.d.comb += [self.o.payload.eq(ESCAPE), plain.ready.eq(0)]
        with m.Elif(special):
            m.d.comb += self.o.payload.eq(Mux(byte == END, ESCAPED_END, ESCAPED_ESCAPE))
        with m.If(plain.valid & self.o.ready):
            m.d.sync += escaped.eq(special & ~escaped)
