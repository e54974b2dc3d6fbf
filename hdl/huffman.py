"""Decodes a stream of canonical Huffman codes, a bit a cycle, into words of weights."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

__all__ = ["MAX_LENGTH", "HuffmanDecoder"]

#: Bits of the longest code.
MAX_LENGTH = 15

_WEIGHTS_BITS, _SYMBOLS_BITS = 24, 16


class HuffmanDecoder(wiring.Component):
    """From the sections that `nomul.sw.huffman.encode` writes to words of `lanes` weights.

    A section is the number of weights, the number of codes of each length, the symbols, and the bits of the codes;
    after its last weight the next byte begins another. A word is handed over when its lanes are full, also across
    sections; one that is not full stays. Latency and throughput: a byte a cycle for tables, a cycle a bit for codes and
    one more for each weight, and one for each byte.

    No stream can stop the decoder for good: bits that are no code, and a table of more symbols than there are, set
    `failed`, after which bytes are taken and dropped until `restart`.

    Parameters
    ----------
    lanes : int
        Weights of a word.
    weight_bits : int
        Bits of a weight, 1 to 9; higher bits of a symbol are dropped. There are 2^weight_bits symbols at most.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes of the coded stream.
    o : Out(stream.Signature(ArrayLayout(weight_bits, lanes)))
        Words; the first weight is lane 0.
    restart : In(1)
        Forget everything, the word at the output included: the next byte begins a section. Bytes of this cycle count
        to what is forgotten.
    failed : Out(1)
        The stream was wrong, from there until `restart`.

    Raises
    ------
    ValueError
        If `lanes` or `weight_bits` is out of range.
    """

    def __init__(self, lanes: int, weight_bits: int):
        if lanes < 1:
            raise ValueError(f"lanes must be at least 1, not {lanes}")
        if not 1 <= weight_bits <= 9:
            raise ValueError(f"weight_bits must be 1 to 9, not {weight_bits}")
        self._lanes, self._bits = lanes, weight_bits
        super().__init__({
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(data.ArrayLayout(weight_bits, lanes))),
            "restart": In(1), "failed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.symbols = symbols = Memory(shape=self._bits, depth=1 << self._bits, init=[])
        m.submodules.counts = counts = Memory(shape=_SYMBOLS_BITS, depth=16, init=[])
        store, read = symbols.write_port(), symbols.read_port()
        # Read in the cycle that uses it: the sum of a length's codes decides on the next bit.
        count_store, count_read = counts.write_port(), counts.read_port(domain="comb")

        weights = Signal(_WEIGHTS_BITS)                 # of the section, still to come
        low = Signal(8)                                 # first byte of a number of two
        high = Signal()                                 # the second one is next
        place = Signal(range(16))                       # byte of the count, or length − 1
        total, stored = Signal(_SYMBOLS_BITS), Signal(_SYMBOLS_BITS)    # symbols of the table, and those that came
        number = Cat(low, self.i.payload)
        taken = self.i.valid & self.i.ready
        m.d.comb += [store.addr.eq(stored), store.data.eq(number), count_store.addr.eq(place),
                     count_store.data.eq(number), count_read.addr.eq(place)]

        # A code is compared with the codes of its length: `first` is the lowest, `index` the place of its symbol.
        byte, left = Signal(8), Signal(range(9))
        # Ten bits more than a code has: a table of too many codes runs past the codes of its length, not around.
        code, first, index, longer, rank = (Signal(MAX_LENGTH + 10) for _ in range(5))
        found = Signal()
        m.d.comb += [longer.eq((code << 1) | byte[0]), rank.eq(longer - first), found.eq(rank < count_read.data),
                     read.addr.eq(index + rank)]

        lane = Signal(range(self._lanes))
        begin = [signal.eq(0) for signal in (code, first, index, place)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("Weights"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(taken):
                    m.d.sync += [weights.eq(Cat(weights[8:], self.i.payload)), place.eq(place + 1)]
                    with m.If(place == 2):
                        m.d.sync += [place.eq(0), total.eq(0), stored.eq(0), left.eq(0)]
                        m.next = "Counts"
            with m.State("Counts"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(taken):
                    m.d.sync += [low.eq(self.i.payload), high.eq(~high)]
                    with m.If(high):
                        m.d.comb += count_store.en.eq(1)
                        m.d.sync += [total.eq(total + number), place.eq(place + 1)]
                        with m.If((number > 1 << self._bits) | (total + number > 1 << self._bits)):
                            m.next = "Failed"
                        with m.Elif(place == MAX_LENGTH - 1):
                            m.d.sync += begin
                            m.next = "Symbols"
            with m.State("Symbols"):
                with m.If(stored == total):
                    m.next = "Code"
                with m.Else():
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(taken):
                        m.d.sync += [low.eq(self.i.payload), high.eq(~high)]
                        with m.If(high):
                            m.d.comb += store.en.eq(1)
                            m.d.sync += stored.eq(stored + 1)
            with m.State("Code"):
                with m.If(weights == 0):
                    m.d.sync += begin
                    m.next = "Weights"
                with m.Elif(left == 0):
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(taken):
                        m.d.sync += [byte.eq(self.i.payload), left.eq(8)]
                with m.Else():
                    m.d.sync += [byte.eq(byte >> 1), left.eq(left - 1), code.eq(longer), place.eq(place + 1),
                                 index.eq(index + count_read.data), first.eq((first + count_read.data) << 1)]
                    with m.If(found):
                        m.d.sync += begin
                        m.next = "Symbol"
                    with m.Elif(place == MAX_LENGTH - 1):
                        m.next = "Failed"
            with m.State("Symbol"):
                with m.If(~self.o.valid):
                    m.d.sync += [weights.eq(weights - 1), lane.eq(Mux(lane == self._lanes - 1, 0, lane + 1)),
                                 self.o.valid.eq(lane == self._lanes - 1)]
                    for n in range(self._lanes):
                        with m.If(lane == n):
                            m.d.sync += self.o.payload[n].eq(read.data)
                    m.next = "Code"
            with m.State("Failed"):
                m.d.comb += [self.i.ready.eq(1), self.failed.eq(1)]
        return ResetInserter(self.restart)(m)

    @staticmethod
    def model(lanes: int, weight_bits: int, stream: bytes) -> tuple[list[list[int]], bool]:
        """The words of a stream, from a dictionary of its codes; and whether it is wrong. Where it ends, words end."""
        weights: list[int] = []
        at, limit = 0, 1 << weight_bits

        def words() -> list[list[int]]:
            return [weights[n:n + lanes] for n in range(0, len(weights) - lanes + 1, lanes)]

        while at + 3 <= len(stream):
            size = int.from_bytes(stream[at:at + 3], "little")
            at += 3
            numbers = [int.from_bytes(stream[n:n + 2], "little") for n in range(at, len(stream) - 1, 2)]
            counts, symbols = numbers[:MAX_LENGTH], numbers[MAX_LENGTH:]
            if sum(counts) > limit:
                return words(), True
            if len(counts) < MAX_LENGTH:
                break
            at += 2 * MAX_LENGTH + 2 * sum(counts)
            codes: dict[tuple[int, int], int] = {}
            code = 0
            for length, count in enumerate(counts, start=1):
                code <<= 1
                for _ in range(count):
                    place = len(codes)
                    codes[length, code] = symbols[place] % limit if place < len(symbols) else 0
                    code += 1
            bits = iter([byte >> n & 1 for byte in stream[at:] for n in range(8)])
            used = 0
            for _ in range(size):
                length = code = 0
                while (length, code) not in codes:
                    if length == MAX_LENGTH:
                        return words(), True
                    bit = next(bits, None)
                    if bit is None:
                        return words(), False
                    length, code, used = length + 1, code << 1 | bit, used + 1
                weights.append(codes[length, code])
            at += -(-used // 8)
        return words(), False
