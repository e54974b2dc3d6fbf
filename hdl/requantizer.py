"""Requantization: adds biases, multiplies in rows that take turns, rounds and clamps."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import MULTIPLIER
from nomul.gen.spec.program import MULTIPLIER_BITS, RESULT_BITS
from nomul.hdl.fabric import Operand, fabric_of
from nomul.hdl.serial_multiplier import SerialMultiplier, products

__all__ = ["Requantizer"]

#: Codes and logits alike: one bit more than a network output, as the descriptor's limits have.
_OUTPUT = signed(RESULT_BITS + 1)


def _add(a: Value, b: Value, carry: Value) -> Value:
    """``a + b + carry`` with one adder: ``carry + carry`` in a bit below the others makes the carry."""
    return (Cat(carry, a).as_signed() + Cat(carry, b).as_signed())[1:].as_signed()


class Requantizer(wiring.Component):
    """One value per column: ``y = clamp((((acc + bias)·M + 2^(shift-1)) >> shift) + zero_point, lower, upper)``.

    Pixels go in turn to `config.requantizers` rows of serial multipliers (`SerialMultiplier`), and in the same order
    from there through two registers, where they are rounded (the last bit shifted out is worth one half, so adding it
    rounds) and clamped.

    Back-pressure on both sides. A row takes a pixel every ``shift + 2`` cycles; together they take and give up to one a
    cycle. Latency ``shift + 3`` cycles (see `latency`). `i.ready` depends on registers only; the output stays until it
    is taken.

    Parameters
    ----------
    config : Config
        Gives `accumulator_bits` and `requantizers`.
    columns : int, optional
        How many; the configuration's by default.

    Members
    -------
    i : In(stream of columns × signed(accumulator_bits))
        Accumulators.
    bias : In(columns × signed(accumulator_bits))
        Added modulo ``2^accumulator_bits``; the compiler proves that nothing overflows.
    magnitude : In(columns × 16), negative : In(columns)
        ``|M|``, below ``2^shift``, and whether M is negative.
    shift : In(6)
        1 to 40.
    zero_point, lower, upper : In(signed(17))
        Added, and the limits.
    o : Out(stream of columns × signed(17))
        Results.

    All inputs that are no streams must be constant from a pixel's entry until its result is taken.
    """

    def __init__(self, config: Config, columns: int | None = None):
        self._config = config
        self._columns = columns = config.columns if columns is None else columns
        values = data.ArrayLayout(signed(config.accumulator_bits), columns)
        super().__init__({
            "i": In(stream.Signature(values)),
            "bias": In(values), "magnitude": In(data.ArrayLayout(MULTIPLIER_BITS, columns)),
            "negative": In(columns), "shift": In(6),
            "zero_point": In(_OUTPUT), "lower": In(_OUTPUT), "upper": In(_OUTPUT),
            "o": Out(stream.Signature(data.ArrayLayout(_OUTPUT, columns))),
        })

    @staticmethod
    def latency(shift: int) -> int:
        """Clock cycles from the transfer at `i` to `o.valid`."""
        return shift + MULTIPLIER + 2       # and two registers

    def elaborate(self, platform):
        m = Module()
        config, fabric = self._config, fabric_of(platform)
        rows = [SerialMultiplier(config, self._columns) for _ in range(config.requantizers)]
        for n, row in enumerate(rows):
            m.submodules[f"row{n}"] = row

        # What is multiplied: v = acc + bias, or ~v, which is ~acc + ~bias + 1. The carry comes from a bit below.
        multiplied = Signal.like(self.i.payload)
        for column, negative in enumerate(self.negative):
            addends = [Operand(Cat(Const(0, 1), value[column]), invert=negative)
                       for value in (self.i.payload, self.bias)]
            total, = fabric.add(m, f"value{column}", [addends], config.accumulator_bits + 1)
            m.d.comb += multiplied[column].eq(total[1:])

        # Whose turn it is, at both ends: a bit for each row, as little time is left to find that out.
        to, out_of = Signal(len(rows), init=1), Signal(len(rows), init=1)
        number = Signal(range(len(rows)))       # of the row in `out_of`
        done, taken = Signal(), Signal()
        product = Signal(products(config, self._columns))
        m.d.comb += [
            self.i.ready.eq(Cat(row.i.ready & turn for row, turn in zip(rows, to, strict=True)).any()),
            done.eq(Cat(row.o.valid & turn for row, turn in zip(rows, out_of, strict=True)).any()),
            product.eq(Array(row.o.payload for row in rows)[number]),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += to.eq(to.rotate_left(1))
        with m.If(taken):
            m.d.sync += [out_of.eq(out_of.rotate_left(1)), number.eq(Mux(number == len(rows) - 1, 0, number + 1))]
        for row, to_row, out_of_row in zip(rows, to, out_of, strict=True):
            m.d.comb += [
                row.i.payload.eq(multiplied), row.i.valid.eq(self.i.valid & to_row),
                row.magnitude.eq(self.magnitude), row.negative.eq(self.negative), row.shift.eq(self.shift),
                row.o.ready.eq(taken & out_of_row),
            ]

        # Two registers: rounding, then clamping. Each holds a pixel until the one behind it has room.
        holds, clamps = Signal(), Signal()      # the first has a pixel, which goes to the second
        m.d.comb += [clamps.eq(holds & (~self.o.valid | self.o.ready)), taken.eq(done & (~holds | clamps))]
        m.d.sync += [holds.eq(taken | (holds & ~clamps)), self.o.valid.eq(clamps | (self.o.valid & ~self.o.ready))]
        for column, result in enumerate(self.o.payload):
            rounded = Signal(signed(max(config.accumulator_bits, len(self.zero_point)) + 1), name=f"rounded{column}")
            # Beyond the limits' own width the sign alone tells, and comparators are no wider than that.
            narrow, sign = rounded[:len(result)].as_signed(), rounded[-1]
            beyond = (rounded >> len(result) - 1) != sign.replicate(len(rounded)).as_signed()
            with m.If(taken):
                m.d.sync += rounded.eq(_add(product[column].floor, self.zero_point, product[column].half))
            with m.If(clamps):
                m.d.sync += result.eq(Mux(Mux(beyond, sign, narrow < self.lower), self.lower,
                                          Mux(Mux(beyond, ~sign, narrow > self.upper), self.upper, narrow)))
        return m

    @staticmethod
    def model(accumulator: int, *, bias: int, multiplier: int, shift: int, zero_point: int,
              lower: int, upper: int) -> int:
        """One result in plain Python, from the closed formula; `multiplier` is M with its sign."""
        product = (accumulator + bias) * multiplier
        return min(max(((product + (1 << shift - 1)) >> shift) + zero_point, lower), upper)
