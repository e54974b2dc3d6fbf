"""Requantization by a serial multiplication: one bit of the multiplier a cycle, exact, one adder a column."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import REQUANTIZER
from nomul.gen.spec.program import MULTIPLIER_BITS, RESULT_BITS

__all__ = ["Requantizer"]

#: Codes and logits alike: one bit more than a network output, as the descriptor's limits have.
_OUTPUT = signed(RESULT_BITS + 1)


def _add(a: Value, b: Value, carry: Value) -> Value:
    """``a + b + carry`` with one adder: ``carry + carry`` in a bit below the others makes the carry."""
    return (Cat(carry, a).as_signed() + Cat(carry, b).as_signed())[1:].as_signed()


class Requantizer(wiring.Component):
    """One value per column: ``y = clamp((((acc + bias)·M + 2^(shift-1)) >> shift) + zero_point, lower, upper)``.

    With a = acc + bias, the product is summed up least significant bit first, ``p ← (p ± (m ? a : 0)) >> 1`` once for
    each of `shift` bits m of ``|M|``. Floors of halves compose, so p ends as ``(a·M) >> shift`` exactly; and the
    last bit shifted out is worth one half, so adding it rounds. As ``|M| < 2^shift``, p is never wider than a.

    Back-pressure on both sides; one row in ``shift + 3`` cycles, which is also the latency (see `latency`). `i.ready`
    is high when idle, and when the output is being taken; the output stays until it is taken.

    Parameters
    ----------
    config : Config
        Gives columns and `accumulator_bits`.

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

    All inputs that are no streams must be constant from a row's entry until its result is taken.
    """

    def __init__(self, config: Config):
        self._config = config
        values = data.ArrayLayout(signed(config.accumulator_bits), config.columns)
        super().__init__({
            "i": In(stream.Signature(values)),
            "bias": In(values), "magnitude": In(data.ArrayLayout(MULTIPLIER_BITS, config.columns)),
            "negative": In(config.columns), "shift": In(6),
            "zero_point": In(_OUTPUT), "lower": In(_OUTPUT), "upper": In(_OUTPUT),
            "o": Out(stream.Signature(data.ArrayLayout(_OUTPUT, config.columns))),
        })

    @staticmethod
    def latency(shift: int) -> int:
        """Clock cycles from the transfer at `i` to `o.valid`."""
        return shift + REQUANTIZER

    def elaborate(self, platform):
        m = Module()
        accept, multiply = Signal(), Signal()
        step = Signal(range(42))        # of the bit to fetch: 0 until a row enters
        m.d.comb += accept.eq(self.i.valid & self.i.ready)
        with m.If(accept):
            m.d.sync += step.eq(1)
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(accept):
                    m.next = "Multiply"
            with m.State("Multiply"):
                m.d.comb += multiply.eq(1)
                m.d.sync += step.eq(step + 1)
                with m.If(step == self.shift):
                    m.d.sync += step.eq(0)
                    m.next = "Round"
            with m.State("Round"):
                m.next = "Clamp"
            with m.State("Clamp"):
                m.next = "Done"
            with m.State("Done"):
                m.d.comb += [self.o.valid.eq(1), self.i.ready.eq(self.o.ready)]
                with m.If(accept):
                    m.next = "Multiply"
                with m.Elif(self.o.ready):
                    m.next = "Idle"

        bits = self._config.accumulator_bits
        for column in range(self._config.columns):
            a, product = Signal(signed(bits)), Signal(signed(bits))
            factor, half = Signal(), Signal()       # bit of |M| to use now; last bit that was shifted out
            negative = self.negative[column]
            addend = Signal(signed(bits))
            total = Signal(signed(bits + 1))
            m.d.comb += [
                addend.eq((a & factor.replicate(bits)) ^ negative.replicate(bits)),
                total.eq(_add(product, addend, negative)),
            ]
            m.d.sync += factor.eq((self.magnitude[column] >> step)[0])
            with m.If(accept):
                m.d.sync += [a.eq(self.i.payload[column] + self.bias[column]), product.eq(0)]
            with m.If(multiply):
                m.d.sync += Cat(half, product).eq(total)

            # These follow the product, and so rest when it does.
            rounded = Signal(signed(max(bits, len(self.zero_point)) + 1))
            result = Signal(_OUTPUT)
            # Beyond the limits' own width the sign alone tells, and comparators are no wider than that.
            narrow, sign = rounded[:len(result)].as_signed(), rounded[-1]
            beyond = Signal()
            m.d.comb += beyond.eq((rounded >> len(result) - 1) != sign.replicate(len(rounded)).as_signed())
            m.d.sync += [
                rounded.eq(_add(product, self.zero_point, half)),
                result.eq(Mux(Mux(beyond, sign, narrow < self.lower), self.lower,
                              Mux(Mux(beyond, ~sign, narrow > self.upper), self.upper, narrow))),
            ]
            m.d.comb += self.o.payload[column].eq(result)
        return m

    @staticmethod
    def model(accumulator: int, *, bias: int, multiplier: int, shift: int, zero_point: int,
              lower: int, upper: int) -> int:
        """One result in plain Python, from the closed formula; `multiplier` is M with its sign."""
        product = (accumulator + bias) * multiplier
        return min(max(((product + (1 << shift - 1)) >> shift) + zero_point, lower), upper)
