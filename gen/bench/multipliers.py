"""Multiply-accumulate arrays of hand-made rows: what the multiplication-free ones are measured against.

Both are as small as we could make them; neither can be selected for an accelerator. A column gives
``Σ (2w + 1)·x`` and a constant of its weights (see `nomul.gen.bench.rows`), so with ``Σ x``, which all columns share,

    ``Σ w·x = (sum - Σ x - constant) / 2``

as for L1, where a shared sum and a constant of the weights complete a column's sum just as well.
"""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.bench.rows import Builder, Choice, Row, Term
from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import tree_latency
from nomul.hdl.fabric import Fabric, Operand, fabric_of
from nomul.hdl.tree import add_tree

__all__ = ["GatedMultiplier", "MergedMultiplier", "RowMultiplier"]


class _Multiplier(wiring.Component):
    """What both have in common.

    Parameters
    ----------
    config : Config
        Gives lanes, columns, `activation_bits` and, as width W of a weight, `l1_weight_bits`. With a leaf register
        there is a register after every step, without it there is none.
    gate_in_adder : bool
        Whether the rows are arranged for adders that take gated operands: of the target's fabric.

    Members
    -------
    activations : In(lanes × activation_bits)
        x, unsigned.
    weights : In(columns × lanes × W)
        What `encode` gives.
    sums : Out(columns × sum_bits)
        ``Σ (2w + 1)·x + constant``.
    shared : Out(activation_bits + log2 lanes)
        ``Σ x``.

    Attributes
    ----------
    latency : int
        Clock cycles from `activations` and `weights` to `sums` and `shared`.
    weight_bits, leaf_bits, sum_bits : int
        Widths of a weight, of a product, of a sum.
    """

    def __init__(self, config: Config, gate_in_adder: bool, latency: int, sum_bits: int):
        self._config, self._gate_in_adder = config, gate_in_adder
        self.weight_bits = config.l1_weight_bits
        self.leaf_bits = config.activation_bits + self.weight_bits
        self.latency, self.sum_bits = latency * config.leaf_register, sum_bits
        super().__init__({
            "activations": In(data.ArrayLayout(unsigned(config.activation_bits), config.lanes)),
            "weights": In(data.ArrayLayout(data.ArrayLayout(unsigned(self.weight_bits), config.lanes), config.columns)),
            "sums": Out(data.ArrayLayout(unsigned(sum_bits), config.columns)),
            "shared": Out(config.activation_bits + (config.lanes - 1).bit_length()),
        })

    def elaborate(self, platform: Any) -> Module:
        """Builds choices, columns and the shared sum."""
        m, config, fabric = Module(), self._config, fabric_of(platform)
        build = Builder(m, fabric, gate_in_adder=self._gate_in_adder, registered=config.leaf_register)
        choices = self._choices(build)
        for n in range(config.columns):
            codes = [build.hold(code) for code in self.weights[n]]
            m.d.comb += self.sums[n].eq(self._column(m, fabric, build, choices, codes, f"column{n}"))
        total = self._tree(m, fabric, [Operand(build.hold(x)) for x in self.activations], "shared")
        for _ in range(self.latency - config.leaf_register - self._tree_latency(config.lanes)):
            total = build.hold(total)
        m.d.comb += self.shared.eq(total)
        return m

    def _tree_latency(self, count: int) -> int:
        return tree_latency(count, int(self._config.leaf_register))

    def _tree(self, m: Module, fabric: Fabric, operands: Sequence[Operand], name: str) -> Value:
        registers = self._tree_latency(len(operands))
        enables = Const((1 << registers) - 1, registers)
        return add_tree(m, fabric, operands, int(self._config.leaf_register), enables, name=name)

    def _choices(self, build: Builder) -> list[Choice]:
        raise NotImplementedError

    def _column(self, m: Module, fabric: Fabric, build: Builder, choices: list[Choice], codes: list[Value],
                name: str) -> Value:
        raise NotImplementedError


class GatedMultiplier(_Multiplier):
    """A multiplier a lane as in a textbook: a row for each weight bit, which gates x. A column gives ``Σ u·x``.

    u is the weight plus ``2^(W-1)``, so that ``Σ w·x = sum - 2^(W-1)·Σ x``. See `_Multiplier` for all else.
    """

    def __init__(self, config: Config, gate_in_adder: bool = False):
        largest = ((1 << config.activation_bits) - 1) * ((1 << config.l1_weight_bits) - 1)
        super().__init__(config, gate_in_adder, latency=2 + (config.l1_weight_bits - 1).bit_length()
                         + tree_latency(config.lanes, 1), sum_bits=(config.lanes * largest).bit_length())

    def encode(self, weights: Sequence[int]) -> list[int]:
        """Codes of the signed weights of a column: offset binary."""
        return [weight + (1 << self.weight_bits - 1) for weight in weights]

    def _choices(self, build):
        ones = (1 << self._config.activation_bits) - 1
        return [Choice((Const(0, len(x)), held), (Const(0, len(x)), held), ones)
                for x in self.activations for held in [build.hold(x)]]

    def _column(self, m, fabric, build, choices, codes, name):
        lanes = [[Term(Operand(build.hold(choice.values[1] & bit.replicate(len(choice.values[1])))), choice.largest)
                  for bit in code] for choice, code in zip(choices, codes, strict=True)]
        products = build.joined(lanes, 1)
        return self._tree(m, fabric, [product.operand for product in products], name)


class RowMultiplier(_Multiplier):
    """A multiplier a lane: rows of two weight bits each, ±x or ±3x, then a tree for the products of the lanes.

    All columns share 3x of each lane. See `_Multiplier` for parameters and members.
    """

    def __init__(self, config: Config, gate_in_adder: bool = False):
        digits = -(-config.l1_weight_bits // 2)
        product = (1 << config.activation_bits + 2 * digits + 1) - 1
        super().__init__(config, gate_in_adder, latency=2 + max(1, (digits - 1).bit_length())
                         + tree_latency(config.lanes, 1), sum_bits=(config.lanes * product).bit_length())

    def encode(self, weights: Sequence[int]) -> list[int]:
        """Codes of the signed weights of a column: of each digit, whether it is ±3, and whether it is negative."""
        codes = []
        for weight in weights:
            code, before = 0, 0
            for place in range(0, self.weight_bits, 2):
                two = weight + (1 << self.weight_bits - 1) >> place & 3
                alone = place + 1 == self.weight_bits
                negative = 1 - (two & 1 if alone else two >> 1)
                relative = negative ^ before if self._gate_in_adder and place & 2 else negative
                before = negative
                code |= (relative if alone else (two in (0, 3)) | relative << 1) << place
            codes.append(code)
        return codes

    def _choices(self, build):
        bits = self._config.activation_bits
        triples = build.add([[Operand(x), Operand(Cat(Const(0, 1), x))] for x in self.activations], bits + 2)
        singles = [Cat(build.hold(x), Const(0, 2)) for x in self.activations]
        return [build.choice(pair, 3 * ((1 << bits) - 1)) for pair in zip(singles, triples, strict=True)]

    def _column(self, m, fabric, build, choices, codes, name):
        lanes = []
        for choice, code in zip(choices, codes, strict=True):
            digits = [code[n:n + 2] for n in range(0, self.weight_bits, 2)]
            lanes.append([Row(choice, digit[0] if len(digit) == 2 else Const(0, 1), digit[-1]) for digit in digits])
        products = build.joined(build.pairs(lanes, 2), 4)
        return self._tree(m, fabric, [product.operand for product in products], name)


class MergedMultiplier(_Multiplier):
    """The multipliers of all lanes merged: rows of a weight bit of two lanes each, ±(x + y) or ±(x - y).

    Rows of equal weight are added first, while they are narrow, and the sums of the W bit planes in the end. All
    columns share sum and difference of each two lanes. See `_Multiplier` for parameters and members.
    """

    def __init__(self, config: Config, gate_in_adder: bool = False):
        pairs, planes = config.lanes // 2, config.l1_weight_bits
        largest = config.lanes * ((1 << config.activation_bits) - 1) + 2 * pairs
        super().__init__(config, gate_in_adder, latency=2 + max(1, (pairs - 1).bit_length())
                         + (planes - 1).bit_length(), sum_bits=(largest * ((1 << planes) - 1)).bit_length())

    def encode(self, weights: Sequence[int]) -> list[int]:
        """Codes of the signed weights of a column: of each two lanes, where they differ, and the signs of the first."""
        ones = (1 << self.weight_bits) - 1
        offset = [weight + (1 << self.weight_bits - 1) for weight in weights]
        codes: list[int] = []
        for n in range(0, len(offset), 2):
            negative = ones ^ offset[n]
            if self._gate_in_adder and n & 2:
                negative ^= ones ^ offset[n - 2]
            codes += [negative, offset[n] ^ offset[n + 1]]
        return codes

    def _choices(self, build):
        bits, x = self._config.activation_bits, list(self.activations)
        sums = build.add([[Operand(x[n]), Operand(x[n + 1])] for n in range(0, len(x), 2)], bits + 1)
        differences = build.add([[Operand(x[n]), Operand(x[n + 1], invert=Const(1, 1))] for n in range(0, len(x), 2)],
                                bits + 1)
        return [build.choice(pair, (1 << bits + 1) - 2) for pair in zip(sums, differences, strict=True)]

    def _column(self, m, fabric, build, choices, codes, name):
        planes = [[Row(choice, codes[2 * n + 1][bit], codes[2 * n][bit]) for n, choice in enumerate(choices)]
                  for bit in range(self.weight_bits)]
        totals = build.joined(build.pairs(planes, 0), 0)
        return build.joined([totals], 1)[0].operand.value
