"""Block accumulators: partial sums of a block of output pixels, in two banks that are filled and drained in turn."""

from collections.abc import Iterable

from amaranth.hdl import Cat, Module, Mux, ShapeLike, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import ACCUMULATOR
from nomul.hdl.fabric import fabric_of
from nomul.hdl.memory import plain_memory

__all__ = ["BlockAccumulator"]


class BlockAccumulator(wiring.Component):
    """Adds the array's sums to the accumulators of their pixel, modulo ``2^accumulator_bits``.

    One pixel per cycle, in any order, the same pixel in consecutive cycles too. For sums of cycle t the memory is read
    in t, the operand register loads in t + 1, and in t + 2 they are added and written. The next access, if to the same
    pixel, takes the adder's output instead of the memory's, the one after that what was written. One read port serves
    both: a bank can be drained while nothing is added to it.

    Parameters
    ----------
    config : Config
        Gives columns, `accumulator_bits` and `block_pixels`.
    sum_shape : ShapeLike
        Of one of the array's sums.

    Members
    -------
    i_valid : In(1), i_bank : In(1), i_pixel : In(range(block_pixels))
        In the next cycle come sums for a pixel's accumulators.
    i_first : In(1)
        They are added to 0 instead of the stored values.
    i_sums : In(columns × sum_shape)
        What is added, one cycle later than the others.
    read : In(columns), read_pixel : In(columns × range(block_pixels)), read_bank : In(1)
        Drain: a strobe, and what to read; every column gets them for itself, though they are the same.
    read_values : Out(columns × signed(accumulator_bits))
        Drain: the values that were read last, from the cycle after the strobe on, while `read_bank` stays as it was and
        nothing is added to that bank.

    Attributes
    ----------
    latency : int
        Clock cycles after `i_valid` in which a drain may first read the result.
    """

    latency = 1 + ACCUMULATOR + 2       # the sums come, the drain is told, and reads

    def __init__(self, config: Config, sum_shape: ShapeLike):
        self._config = config
        self._sums = data.ArrayLayout(sum_shape, config.columns)
        self._values = data.ArrayLayout(signed(config.accumulator_bits), config.columns)
        super().__init__({
            "i_valid": In(1), "i_bank": In(1), "i_pixel": In(range(config.block_pixels)), "i_first": In(1),
            "i_sums": In(self._sums),
            "read": In(config.columns), "read_bank": In(1),
            "read_pixel": In(data.ArrayLayout(range(config.block_pixels), config.columns)),
            "read_values": Out(self._values),
        })

    def elaborate(self, platform):
        m = Module()
        config, fabric = self._config, fabric_of(platform)
        groups = fabric.close_groups(config.columns, fabric.close_columns)
        # Accesses whose memory is read, whose operand is loaded, and (in copies only) whose sum is written; whether
        # they are to the pixel of the access before, or of the one before that. All is known a cycle ahead, so that
        # each group of columns has it in registers of its own.
        access = data.StructLayout({
            "banks": 2, "pixel": range(config.block_pixels), "first": 1, "again": 1, "after_one": 1,
        })
        arriving, reading, loading = Signal(access), Signal(access), Signal(access)
        m.d.comb += [
            arriving.banks.eq(Cat(self.i_valid & ~self.i_bank, self.i_valid & self.i_bank)),
            arriving.pixel.eq(self.i_pixel), arriving.first.eq(self.i_first),
            arriving.again.eq(self._same(arriving, reading)), arriving.after_one.eq(self._same(arriving, loading)),
        ]
        m.d.sync += [reading.eq(arriving), loading.eq(reading)]
        at_read, at_load, at_write = (
            [data.View(access, copy) for copy in fabric.copies(m, name, value.as_value(), len(groups))]
            for name, value in (("read", arriving), ("load", reading), ("write", loading)))

        sums, adding = Signal(self._sums), Signal(self._sums)       # of the access that is loaded, that is written
        m.d.sync += [sums.eq(self.i_sums), adding.eq(sums)]
        for group, read, load, write in zip(groups, at_read, at_load, at_write, strict=True):
            width = config.accumulator_bits * len(group)
            total, operand, written = (Signal(width, name=f"{name}{group.start}")
                                       for name in ("total", "operand", "written"))
            found = []
            for bank in range(2):
                memory = m.submodules[f"bank{bank}_{group.start}"] = plain_memory(width, config.block_pixels)
                writer, reader = memory.write_port(), memory.read_port()
                m.d.comb += [
                    writer.addr.eq(write.pixel), writer.data.eq(total), writer.en.eq(write.banks[bank]),
                    reader.addr.eq(Mux(read.banks[bank], read.pixel, self.read_pixel[group.start])),
                    reader.en.eq(read.banks[bank] | (self.read[group.start] & (self.read_bank == bank))),
                ]
                found.append(reader.data)
            stored = Mux(load.after_one, written, Mux(load.banks[1], found[1], found[0]))
            m.d.sync += [written.eq(total), operand.eq(Mux(load.again, total, stored))]
            with m.If(load.first):
                m.d.sync += operand.eq(0)
            for n, column in enumerate(group):
                part = slice(n * config.accumulator_bits, (n + 1) * config.accumulator_bits)
                m.d.comb += [
                    total[part].eq(operand[part] + adding[column]),
                    self.read_values[column].eq(Mux(self.read_bank, found[1][part], found[0][part])),
                ]
        return m

    @staticmethod
    def _same(access: data.View, before: data.View) -> Value:
        """Whether two accesses are to the same accumulators."""
        return (access.banks & before.banks).any() & (access.pixel == before.pixel)

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
