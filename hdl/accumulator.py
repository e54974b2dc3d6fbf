"""Block accumulators: partial sums of a block of output pixels, in two banks that are filled and drained in turn."""

from collections.abc import Iterable

from amaranth.hdl import Module, Mux, ShapeLike, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import ACCUMULATOR

__all__ = ["BlockAccumulator"]


class BlockAccumulator(wiring.Component):
    """Adds the array's sums to the accumulators of their pixel, modulo ``2^accumulator_bits``.

    One pixel per cycle, in any order, the same pixel in consecutive cycles too. An access in cycle t reads the memory
    in t, loads the operand register in t + 1, adds and writes in t + 2. The next access, if to the same pixel, takes
    the adder's output instead of the memory's; the one after that gets the word as it is written (the memory's read
    port is transparent). One read port serves both: the bank that `i_bank` does not name while `i_valid` can be
    drained, and any bank otherwise.

    Parameters
    ----------
    config : Config
        Gives columns, `accumulator_bits` and `block_pixels`.
    sum_shape : ShapeLike
        Of one of the array's sums.

    Members
    -------
    i_valid : In(1), i_bank : In(1), i_pixel : In(range(block_pixels))
        Access to a pixel's accumulators.
    i_first : In(1)
        Start from 0 instead of the stored values.
    i_sums : In(columns × sum_shape)
        What is added.
    read_bank : In(1), read_pixel : In(range(block_pixels))
        Drain: what to read.
    read_values : Out(columns × signed(accumulator_bits))
        Drain: the values of `read_pixel` of the cycle before.

    Attributes
    ----------
    latency : int
        Clock cycles after `i_valid` in which a drain may first give the address of the result.
    """

    latency = ACCUMULATOR

    def __init__(self, config: Config, sum_shape: ShapeLike):
        self._config = config
        self._sums = data.ArrayLayout(sum_shape, config.columns)
        self._values = data.ArrayLayout(signed(config.accumulator_bits), config.columns)
        super().__init__({
            "i_valid": In(1), "i_bank": In(1), "i_pixel": In(range(config.block_pixels)), "i_first": In(1),
            "i_sums": In(self._sums),
            "read_bank": In(1), "read_pixel": In(range(config.block_pixels)), "read_values": Out(self._values),
        })

    def elaborate(self, platform):
        m = Module()
        access = data.StructLayout({"valid": 1, "bank": 1, "pixel": range(self._config.block_pixels), "first": 1,
                                    "sums": self._sums})
        loading, adding = Signal(access), Signal(access)        # the access in t + 1, in t + 2
        operand, total = Signal(self._values), Signal(self._values)
        m.d.sync += [
            loading.valid.eq(self.i_valid), loading.bank.eq(self.i_bank), loading.pixel.eq(self.i_pixel),
            loading.first.eq(self.i_first), loading.sums.eq(self.i_sums),
            adding.eq(loading),
        ]
        m.d.comb += [total[column].eq(operand[column] + adding.sums[column])
                     for column in range(self._config.columns)]

        reads = []
        for bank in range(2):
            m.submodules[f"bank{bank}"] = memory = Memory(
                shape=self._values, depth=self._config.block_pixels, init=[])
            write = memory.write_port()
            read = memory.read_port(transparent_for=[write])
            m.d.comb += [
                write.addr.eq(adding.pixel), write.data.eq(total), write.en.eq(adding.valid & (adding.bank == bank)),
                read.addr.eq(Mux(self.i_valid & (self.i_bank == bank), self.i_pixel, self.read_pixel)),
            ]
            reads.append(read.data)

        again = adding.valid & (adding.bank == loading.bank) & (adding.pixel == loading.pixel)
        with m.If(loading.first):
            m.d.sync += operand.eq(0)
        with m.Elif(again):
            m.d.sync += operand.eq(total)
        with m.Else():
            m.d.sync += operand.eq(Mux(loading.bank, reads[1], reads[0]))

        drained_bank = Signal()
        m.d.sync += drained_bank.eq(self.read_bank)
        m.d.comb += self.read_values.eq(Mux(drained_bank, reads[1], reads[0]))
        return m

    def model(self, accesses: Iterable[tuple[int, int, bool, list[int]]]) -> list[list[list[int]]]:
        """Values of each bank and pixel, from zero, after `accesses` in order.

        Parameters
        ----------
        accesses : (bank, pixel, first, sums) each
            `sums` has one value a column.
        """
        half = 1 << self._config.accumulator_bits - 1
        banks = [[[0] * self._config.columns for _ in range(self._config.block_pixels)] for _ in range(2)]
        for bank, pixel, first, sums in accesses:
            old = [0] * len(sums) if first else banks[bank][pixel]
            banks[bank][pixel] = [(a + b + half) % (2 * half) - half for a, b in zip(old, sums, strict=True)]
        return banks
