"""Streams: queue, register slice, width converter, and `pipe`, which joins components of one payload."""

from amaranth.hdl import Cat, Module, Shape, ShapeCastable, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from nomul.hdl.memory import plain_memory

__all__ = ["Queue", "RegisterSlice", "WidthConverter", "Wires", "pipe"]


class Queue(wiring.Component):
    """First in, first out, through a memory.

    Holds up to `depth` payloads, takes and gives one a cycle; a payload appears two cycles after it was taken.
    Neither `ready` nor `valid` passes through combinationally.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload on both sides.
    depth : int
        Payloads that fit, at least 3 (fewer could not keep up with one a cycle).

    Members
    -------
    i : In(stream), o : Out(stream)
        The two ends.

    Raises
    ------
    ValueError
        If `depth` is less than 3.
    """

    def __init__(self, shape, depth: int):
        if not isinstance(depth, int) or depth < 3:
            raise ValueError(f"a queue's depth must be an integer of at least 3, not {depth!r}")
        self._depth = depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        payload = Value.cast(self.o.payload)
        # One payload is at the output, which keeps what the memory gave last.
        waiting = Signal(range(self._depth))
        first, behind = Signal(ceil_log2(self._depth)), Signal(ceil_log2(self._depth))
        m.submodules.memory = memory = plain_memory(len(payload), 1 << len(first))
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            self.i.ready.eq(waiting != self._depth - 1),
            write.addr.eq(behind), write.data.eq(self.i.payload), write.en.eq(self.i.valid & self.i.ready),
            read.addr.eq(first), payload.eq(read.data), read.en.eq((waiting != 0) & (~self.o.valid | self.o.ready)),
        ]
        m.d.sync += [
            behind.eq(behind + write.en), first.eq(first + read.en), waiting.eq(waiting + write.en - read.en),
            self.o.valid.eq(read.en | (self.o.valid & ~self.o.ready)),
        ]
        return m


class RegisterSlice(wiring.Component):
    """Cuts both combinational paths, forward and backward, at full throughput and one cycle of latency.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload on both sides.

    Members
    -------
    i : In(stream), o : Out(stream)
        The two ends; `i.ready`, `o.valid` and `o.payload` are registers.
    """

    def __init__(self, shape):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        arriving, leaving = Value.cast(self.i.payload), Value.cast(self.o.payload)
        # What arrives in the cycle in which the way forward is found blocked: `ready` falls a cycle late.
        spare = Signal(len(arriving))
        spare_full = Signal()
        m.d.comb += self.i.ready.eq(~spare_full)
        with m.If(~self.o.valid | self.o.ready):
            with m.If(spare_full):
                m.d.sync += [leaving.eq(spare), self.o.valid.eq(1), spare_full.eq(0)]
            with m.Else():
                m.d.sync += [leaving.eq(arriving), self.o.valid.eq(self.i.valid)]
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += [spare.eq(arriving), spare_full.eq(1)]
        return m


class Wires(wiring.Component):
    """Nothing between two ends, for where a `RegisterSlice` would be larger than a slow clock asks for.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload on both sides.

    Members
    -------
    i : In(stream), o : Out(stream)
        The two ends.
    """

    def __init__(self, shape):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m


class WidthConverter(wiring.Component):
    """Joins narrow payloads into wide ones or cuts wide ones into narrow ones, little end first.

    The narrow side moves one payload a cycle. `ready` passes through combinationally.

    Parameters
    ----------
    in_bits, out_bits : int
        Widths of the payloads (unsigned); one must be a multiple of the other.

    Members
    -------
    i : In(stream of in_bits), o : Out(stream of out_bits)
        The two ends.

    Raises
    ------
    ValueError
        If the widths are not positive, or none is a multiple of the other.
    """

    def __init__(self, in_bits: int, out_bits: int):
        if in_bits < 1 or out_bits < 1 or max(in_bits, out_bits) % min(in_bits, out_bits):
            raise ValueError("of a width converter's widths one must be a multiple of the other, "
                             f"not {in_bits!r} and {out_bits!r}")
        self._in_bits, self._out_bits = in_bits, out_bits
        super().__init__({"i": In(stream.Signature(in_bits)), "o": Out(stream.Signature(out_bits))})

    def elaborate(self, platform):
        m = Module()
        ratio = max(self._in_bits, self._out_bits) // min(self._in_bits, self._out_bits)
        word = Signal(max(self._in_bits, self._out_bits))
        count = Signal(range(ratio + 1))    # narrow payloads in `word`
        if self._in_bits <= self._out_bits:
            m.d.comb += [
                self.o.valid.eq(count == ratio), self.o.payload.eq(word),
                self.i.ready.eq(~self.o.valid | self.o.ready),
            ]
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += [word.eq(Cat(word, self.i.payload)[self._in_bits:]), count.eq(count + 1)]
                with m.If(self.o.valid):
                    m.d.sync += count.eq(1)
            with m.Elif(self.o.valid & self.o.ready):
                m.d.sync += count.eq(0)
        else:
            m.d.comb += [
                self.o.valid.eq(count != 0), self.o.payload.eq(word),
                self.i.ready.eq((count == 0) | ((count == 1) & self.o.ready)),
            ]
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += [word.eq(self.i.payload), count.eq(ratio)]
            with m.Elif(self.o.valid & self.o.ready):
                m.d.sync += [word.eq(word >> self._out_bits), count.eq(count - 1)]
        return m


def _payload(interface) -> object:
    shape = interface.signature.members["payload"].shape
    return shape if isinstance(shape, ShapeCastable) else Shape.cast(shape)


def pipe(m: Module, *stages) -> None:
    """Connects `o` of each component to `i` of the next.

    Amaranth's `connect` compares widths only; here signed and unsigned, or two layouts of one width, differ.

    Parameters
    ----------
    m : Module
        Where the connections are made.
    stages : components
        In order of flow; each has an `o` (but the last) and an `i` (but the first).

    Raises
    ------
    TypeError
        If two neighbours carry different payloads; names both.
    """
    for source, sink in zip(stages, stages[1:], strict=False):
        given, taken = _payload(source.o), _payload(sink.i)
        if given != taken:
            raise TypeError(f"cannot pipe {type(source).__name__}.o with payload {given!r} into "
                            f"{type(sink).__name__}.i with payload {taken!r}")
        wiring.connect(m, source=source.o, sink=sink.i)
