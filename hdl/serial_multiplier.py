"""A row of products by serial multiplication: one bit of the multipliers a cycle, exact, one adder a column."""

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import MULTIPLIER_BITS
from nomul.hdl.fabric import Operand, fabric_of

__all__ = ["SerialMultiplier", "products"]


def products(config: Config, columns: int) -> data.ArrayLayout:
    """What a row gives: for each column the floor of its product, and the last bit that was shifted out, a half."""
    return data.ArrayLayout(data.StructLayout({"half": 1, "floor": signed(config.accumulator_bits)}), columns)


class SerialMultiplier(wiring.Component):
    """One product a column, ``(v·M) >> shift`` and the bit below it, where v is given as a = v, or ``~v`` if M < 0.

    The product is summed up least significant bit first: ``p ← (p + (m ? a : 0)) >> 1`` once for each of `shift` bits m
    of ``|M|``. Floors of halves compose, so p ends as ``(a·M) >> shift`` exactly. A negative M multiplies ``-v``, which
    is ``~v + 1``: the 1 comes in as a carry. As ``|M| < 2^shift``, p is never wider than v.

    Back-pressure on both sides. `o.valid` comes ``shift + 1`` cycles after the transfer at `i`, and `i.ready` the cycle
    after that at `o`: neither passes through combinationally.

    Parameters
    ----------
    config : Config
        Gives `accumulator_bits`.
    columns : int
        How many products.

    Members
    -------
    i : In(stream of columns × signed(accumulator_bits))
        a.
    magnitude : In(columns × 16), negative : In(columns)
        ``|M|``, below ``2^shift``, and whether M is negative.
    shift : In(6)
        1 to 40.
    o : Out(stream of products(config, columns))
        Products.

    All inputs that are no streams must be constant from a row's entry until its product is taken.
    """

    def __init__(self, config: Config, columns: int):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(data.ArrayLayout(signed(config.accumulator_bits), columns))),
            "magnitude": In(data.ArrayLayout(MULTIPLIER_BITS, columns)), "negative": In(columns),
            "shift": In(6), "o": Out(stream.Signature(products(config, columns))),
        })

    def elaborate(self, platform):
        m = Module()
        multiply = Signal()
        step = Signal(range(42))        # of the bit to fetch: 0 until a row enters
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += step.eq(1)
                    m.next = "Multiply"
            with m.State("Multiply"):
                m.d.comb += multiply.eq(1)
                m.d.sync += step.eq(step + 1)
                with m.If(step == self.shift):
                    m.d.sync += step.eq(0)
                    m.next = "Done"
            with m.State("Done"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "Idle"

        bits, fabric = self._config.accumulator_bits, fabric_of(platform)
        for column, product in enumerate(self.o.payload):
            a, factor = Signal(signed(bits)), Signal()      # factor: the bit of |M| to use now
            # With a bit below the others, whose carry is wanted.
            before = Cat(self.negative[column], product.floor, product.floor[-1])
            addend = Operand(Const(0, bits + 2), select=factor, other=Cat(Const(1, 1), a, a[-1]))
            total, = fabric.add(m, f"total{column}", [[Operand(before), addend]], bits + 2)
            m.d.sync += factor.eq((self.magnitude[column] >> step)[0])
            with m.If(self.i.valid & self.i.ready):
                m.d.sync += [a.eq(self.i.payload[column]), product.floor.eq(0)]
            with m.If(multiply):
                m.d.sync += Cat(product.half, product.floor).eq(total[1:])
        return m

    @staticmethod
    def model(a: int, *, multiplier: int, shift: int) -> tuple[int, int]:
        """Half and floor in plain Python, from the closed formula; `multiplier` is M with its sign."""
        product = (~a if multiplier < 0 else a) * multiplier
        return product >> shift - 1 & 1, product >> shift
