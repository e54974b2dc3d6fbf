"""A balanced tree of adders, exact, with as many registers as the clock asks for."""

from collections.abc import Iterable

from amaranth.hdl import Module, Shape, ShapeLike, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AdderTree"]


class AdderTree(wiring.Component):
    """Adds `count` terms; each level is one bit wider than the one before, so that no sum overflows.

    Throughput one sum per cycle, latency `latency` cycles, no flow control: what enters, leaves.

    Parameters
    ----------
    shape : ShapeLike
        Of one term: an integer.
    count : int
        Terms, at least 1.
    levels_per_register : int
        A register follows every so many levels; 0 for none at all.

    Members
    -------
    terms : In(count × shape)
        What is added.
    enables : In(latency)
        Bit n: the registers n + 1 cycles after `terms` load. All 1 if left alone.
    sum : Out(sum_shape)
        The sum, `latency` cycles later.

    Attributes
    ----------
    levels : int
        Adders between a term and the sum.
    sum_shape : Shape
        `shape` with `levels` more bits.
    latency : int
        Clock cycles from `terms` to `sum`.

    Raises
    ------
    ValueError
        For a count below 1 or negative levels.
    """

    def __init__(self, shape: ShapeLike, count: int, levels_per_register: int):
        if count < 1:
            raise ValueError(f"an adder tree must have at least 1 term, not {count!r}")
        if levels_per_register < 0:
            raise ValueError(f"levels per register must be 0 (none) or more, not {levels_per_register!r}")
        self._shape = Shape.cast(shape)
        self._levels_per_register = levels_per_register
        self.levels = (count - 1).bit_length()
        self.sum_shape = self._grown(self.levels)
        self.latency = self.latency_of(count, levels_per_register)
        super().__init__({
            "terms": In(data.ArrayLayout(self._shape, count)), "sum": Out(self.sum_shape),
            "enables": In(self.latency, init=(1 << self.latency) - 1),
        })

    @staticmethod
    def latency_of(count: int, levels_per_register: int) -> int:
        """`latency` of a tree of `count` terms, whatever their shape."""
        return (count - 1).bit_length() // levels_per_register if levels_per_register else 0

    def _grown(self, level: int) -> Shape:
        return Shape(self._shape.width + level, self._shape.signed)

    def elaborate(self, platform):
        m = Module()
        terms = list(self.terms)
        for level in range(1, self.levels + 1):
            register, rest = divmod(level, self._levels_per_register) if self._levels_per_register else (0, 1)
            sums = []
            for n in range(0, len(terms), 2):
                # No reset: nothing looks at a sum that no valid term went into.
                total = Signal(self._grown(level), name=f"level{level}_{n // 2}", reset_less=True)
                value = terms[n] + terms[n + 1] if n + 1 < len(terms) else terms[n]
                if rest:
                    m.d.comb += total.eq(value)
                else:
                    with m.If(self.enables[register - 1]):
                        m.d.sync += total.eq(value)
                sums.append(total)
            terms = sums
        m.d.comb += self.sum.eq(terms[0])
        return m

    @staticmethod
    def model(terms: Iterable[int]) -> int:
        """The sum in plain Python."""
        return sum(terms)
