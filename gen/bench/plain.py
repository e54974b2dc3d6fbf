"""Arrays as a textbook writes them, left to the synthesis tool: ``w·x`` and ``|x - w|``, for comparison only."""

from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config

__all__ = ["PlainArray", "TextbookL1", "ToolMultiplier"]


class PlainArray(wiring.Component):
    """A leaf a lane and a balanced tree a column, with a register after each, in plain operators.

    Parameters
    ----------
    config : Config
        Gives lanes, columns, `activation_bits` and, as width of a weight, `l1_weight_bits`. With a leaf register there
        is one after every step, without it there is none.
    leaf_shape : Shape
        Holds every leaf.
    leaf_bits : int
        Width of a leaf that the accumulator is sized for.

    Members
    -------
    activations : In(lanes × activation_bits)
        x, unsigned.
    weights : In(columns × lanes × weight_bits)
        What `encode` gives.
    sums : Out(columns × sum_bits)
        The sum of the leaves modulo ``2^sum_bits``.

    Attributes
    ----------
    latency : int
        Clock cycles from `activations` and `weights` to `sums`.
    weight_bits, leaf_bits, sum_bits : int
        Widths.
    """

    def __init__(self, config: Config, leaf_shape: Shape):
        self._config, self._leaf_shape = config, leaf_shape
        levels = (config.lanes - 1).bit_length()
        self.weight_bits, self.leaf_bits = config.l1_weight_bits, leaf_shape.width
        self.sum_bits = leaf_shape.width + levels
        self.latency = (1 + levels) * config.leaf_register
        super().__init__({
            "activations": In(data.ArrayLayout(unsigned(config.activation_bits), config.lanes)),
            "weights": In(data.ArrayLayout(data.ArrayLayout(unsigned(self.weight_bits), config.lanes), config.columns)),
            "sums": Out(data.ArrayLayout(unsigned(self.sum_bits), config.columns)),
        })

    def elaborate(self, platform: Any) -> Module:
        """Builds leaves and trees."""
        m = Module()
        domain = m.d.sync if self._config.leaf_register else m.d.comb
        for column, weights in enumerate(self.weights):
            terms = [self._leaf(m, x, w) for x, w in zip(self.activations, weights, strict=True)]
            level = 0
            while True:
                held = []
                for n, term in enumerate(terms):
                    shape = Shape(self._leaf_shape.width + level, self._leaf_shape.signed)
                    # Yosys' pass for the DSP blocks of iCE40 takes the register of one of two leaves that are added
                    # into the block of the other, and then loses the former's product. A kept register stays.
                    kept = {} if level else {"keep": 1}
                    total = Signal(shape, name=f"column{column}_level{level}_{n}", reset_less=True, attrs=kept)
                    domain += total.eq(term)
                    held.append(total)
                if len(held) == 1:
                    break
                terms = [held[n] + held[n + 1] for n in range(0, len(held), 2)]
                level += 1
            m.d.comb += self.sums[column].eq(held[0])
        return m

    def _leaf(self, m: Module, x: Value, w: Value) -> Value:
        raise NotImplementedError


class ToolMultiplier(PlainArray):
    """``w·x`` by the operator `*`: look-up tables or DSP blocks, as the tool is told. See `PlainArray`."""

    def __init__(self, config: Config):
        super().__init__(config, signed(config.activation_bits + config.l1_weight_bits))

    def encode(self, weights: list[int]) -> list[int]:
        """Codes of the signed weights of a column: their two's complements."""
        return [weight & (1 << self.weight_bits) - 1 for weight in weights]

    def _leaf(self, m, x, w):
        return x * w.as_signed()


class TextbookL1(PlainArray):
    """``|x - w|``: a subtraction, and a negation where it is negative. See `PlainArray`."""

    def __init__(self, config: Config):
        super().__init__(config, unsigned(config.activation_bits))

    def encode(self, weights: list[int]) -> list[int]:
        """Codes of the unsigned weights of a column: the weights."""
        return list(weights)

    def _leaf(self, m, x, w):
        difference = Signal(signed(self._config.activation_bits + 1))
        m.d.comb += difference.eq(x - w)
        return Mux(difference[-1], -difference, difference)
