"""Processing elements: what one lane of the array makes of an activation and a weight, without a multiplication.

A processing element (PE) yields the *leaf* of `nomul.gen.spec.operators`, one carry chain or a barrel shifter cheap;
what the leaf leaves out is a constant of the weights, which the compiler adds to the bias.
"""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator

__all__ = ["PROCESSING_ELEMENTS", "L1Pe", "ProcessingElement", "ShiftPe", "SignPe"]


class ProcessingElement(wiring.Component):
    """What the three kinds have in common: combinational, one activation and one weight code in, one leaf out.

    Parameters
    ----------
    config : Config
        Gives the widths.

    Members
    -------
    x : In(activation_bits)
        Activation code.
    weight : In(operator_weight_bits)
        Weight code of the operator.
    leaf : Out(leaf_shape)
        What the column adds up.

    Attributes
    ----------
    leaf_shape : Shape
        Holds every leaf exactly.
    """

    operator: Operator

    def __init__(self, config: Config, leaf_shape: Shape):
        self._config = config
        self.leaf_shape = leaf_shape
        super().__init__({
            "x": In(config.activation_bits),
            "weight": In(config.operator_weight_bits(self.operator.key)),
            "leaf": Out(leaf_shape),
        })


class L1Pe(ProcessingElement):
    """``max(x - w, 0)``: a subtractor, its result gated by its borrow. See `ProcessingElement`."""

    operator = Operator.L1

    def __init__(self, config: Config):
        super().__init__(config, unsigned(config.activation_bits))

    def elaborate(self, platform):
        m = Module()
        difference = Signal(signed(self._config.activation_bits + 1))
        m.d.comb += [
            difference.eq(self.x - self.weight),
            self.leaf.eq(difference[:-1] & (~difference[-1]).replicate(len(self.leaf))),
        ]
        return m

    @staticmethod
    def model(x: int, code: int, config: Config) -> int:
        """The leaf in plain Python."""
        return max(x - code, 0)


class ShiftPe(ProcessingElement):
    """``x << p``, its one's complement for a negative weight, or 0. See `ProcessingElement`.

    The complement comes first and ones are shifted in: then it is the fourth input of the first multiplexers' look-up
    tables, and the gate that of the last ones', so neither takes any of its own.
    """

    operator = Operator.SHIFT

    def __init__(self, config: Config):
        super().__init__(config, signed(config.activation_bits + config.shift_exponents))

    def elaborate(self, platform):
        m = Module()
        bits = self._config.exponent_bits
        negative, nonzero = self.weight[bits], self.weight[bits + 1]
        value = Cat(self.x ^ negative.replicate(len(self.x)), negative).as_signed()
        for level in range(bits):
            shifted = Cat(negative.replicate(1 << level), value).as_signed()
            stage = Signal(signed(len(shifted)), name=f"stage{level}")
            m.d.comb += stage.eq(Mux(self.weight[level], shifted, value))
            value = stage
        m.d.comb += self.leaf.eq(value & nonzero.replicate(len(value)).as_signed())
        return m

    @staticmethod
    def model(x: int, code: int, config: Config) -> int:
        """The leaf in plain Python."""
        exponent, flags = code % config.shift_exponents, code // config.shift_exponents
        return (0, 0, x << exponent, ~(x << exponent))[flags]


class SignPe(ProcessingElement):
    """``x``, its one's complement for a negative weight, or 0. See `ProcessingElement`."""

    operator = Operator.SIGN

    def __init__(self, config: Config):
        super().__init__(config, signed(config.activation_bits + 1))

    def elaborate(self, platform):
        m = Module()
        negative, nonzero = self.weight
        value = Cat(self.x ^ negative.replicate(len(self.x)), negative)
        m.d.comb += self.leaf.eq(value & nonzero.replicate(len(value)))
        return m

    @staticmethod
    def model(x: int, code: int, config: Config) -> int:
        """The leaf in plain Python."""
        return (0, 0, x, ~x)[code]


#: The kind of each operator.
PROCESSING_ELEMENTS: dict[Operator, type[L1Pe] | type[ShiftPe] | type[SignPe]] = {
    kind.operator: kind for kind in (L1Pe, ShiftPe, SignPe)
}
