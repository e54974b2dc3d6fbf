"""Processing elements: what one lane of the array makes of an activation and a weight, without a multiplication.

A processing element (PE) yields the *leaf* of `nomul.gen.spec.operators`; what the leaf leaves out is a constant of the
weights, which the compiler adds to the bias. Every PE gets its activation as the one's complement ``z = 2^A - 1 - x``:
then an L1 PE is nothing but an adder that saturates, and its carry out is the gate, on every fabric, with no inverter.

A leaf is an `Operand`: where the fabric can, its gate moves behind the leaf register and into the first adder of the
tree, which has inputs to spare; elsewhere it is the synchronous set or reset of the leaf register, which every FPGA's
flip-flop has. Either way a gate takes no look-up table.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from nomul.gen.spec.config import Config
from nomul.hdl.fabric import Fabric, Operand

__all__ = ["KINDS", "L1", "Minimum", "ProcessingElement", "Shift", "Sign", "Unified", "kind_for", "kind_of"]


class ProcessingElement:
    """One kind of PE, in the widths of a configuration.

    Parameters
    ----------
    config : Config
        Gives widths and whether there is a leaf register.

    Attributes
    ----------
    weight_bits : int
        Bits of a weight code.
    leaf_bits : int
        Bits of a leaf, which is unsigned.
    shared : bool
        Whether a column's sum stands for ``2·Σ leaf - Σ z`` and a constant; a tree for ``Σ z`` serves all columns.
    """

    name: str
    shared = False

    def __init__(self, config: Config):
        self._config = config
        self.weight_bits = self._weight_bits()
        self.leaf_bits = config.activation_bits

    def _weight_bits(self) -> int:
        return self._config.operator_weight_bits(self.name)

    def leaves(self, m: Module, fabric: Fabric, complements: list[Value], weights: list[Value],
               enable: Value) -> list[Operand]:
        """Adds the PEs of one column to `m`; latency 1 cycle with the configuration's leaf register, else 0.

        Parameters
        ----------
        m : Module
            Where to.
        fabric : Fabric
            Of the target.
        complements : list of Value
            One's complement of each lane's activation, `activation_bits` wide.
        weights : list of Value
            Weight code of each lane, `weight_bits` wide.
        enable : Value
            Whether the leaf registers load.

        Returns
        -------
        list of Operand
            The leaves, for an adder tree.
        """
        raise NotImplementedError

    def model(self, x: int, code: int) -> int:
        """The leaf in plain Python, from the activation itself."""
        raise NotImplementedError


class Unified(ProcessingElement):
    """L1 and binary weights in one PE: an adder with a ninth weight bit b on top of the carry.

    The weight is {b, w}: ``total = z + w + b·2^A``, whose bit A is carry ⊕ b; the leaf is the sum, or all ones
    where that bit is set. With b = 0 this is the L1 leaf ``min(z + w, 2^A - 1)``; with w = 0 the leaf is ``2^A - 1``
    for b = 1 and z for b = 0, so that ``2·leaf - z - (2^A - 1)`` is x or -x. Other weights take a cycle for each bit
    plane, with an accumulator that doubles in between.
    """

    name = "unified"
    shared = True

    def _weight_bits(self) -> int:
        return self._config.activation_bits + 1

    def leaves(self, m, fabric, complements, weights, enable):
        bits = self._config.activation_bits
        totals = self._totals(m, fabric, [(Operand(z), Operand(w)) for z, w in zip(complements, weights, strict=True)])
        if not self._config.leaf_register:
            return [Operand(total[:bits], saturate=total[bits]) for total in totals]
        operands = []
        late = fabric.merged["saturate"] == 2
        for lane, total in enumerate(totals):
            leaf = Signal(bits + late, init=-1 if fabric.set_starts_set else 0, name=f"leaf{lane}", reset_less=True)
            if late:
                with m.If(enable):
                    m.d.sync += leaf.eq(total)
                operands.append(Operand(leaf[:bits], saturate=leaf[bits]))
            else:
                with m.If(total[bits]):         # whether enabled or not: then it is the flip-flops' synchronous set
                    m.d.sync += leaf.eq(-1)
                with m.Elif(enable):
                    m.d.sync += leaf.eq(total)
                operands.append(Operand(leaf))
        return operands

    def _totals(self, m: Module, fabric: Fabric, addends: list[tuple[Operand, Operand]]) -> list[Value]:
        return fabric.add(m, "total", addends, self._config.activation_bits + 1)

    def model(self, x, code):
        bits = self._config.activation_bits
        top = (1 << bits) - 1
        total = (top - x + code) % (1 << bits + 1)
        return top if total > top else total


class L1(Unified):
    """``min(z + w, 2^A - 1)``: an adder that saturates. Without the ninth weight bit of `Unified`, else the same.

    Wide adders share no carry chain: on an ECP5 that takes a look-up table a lane, and makes the array 1 % faster.
    """

    name = "l1"
    _WIDE = 6       # bits; two adders of less are a chain that is as short as one wide adder

    def _weight_bits(self) -> int:
        return self._config.l1_weight_bits

    def _totals(self, m, fabric, addends):
        if self._config.activation_bits < self._WIDE:
            return super()._totals(m, fabric, addends)
        return [fabric.add(m, f"total{lane}", [pair], self._config.activation_bits + 1)[0]
                for lane, pair in enumerate(addends)]


class Minimum(ProcessingElement):
    """L1 by comparison: ``min(z, 2^A - 1 - w)``, the leaf of `L1` less w. Code: w.

    The carry of z + w tells which is less. Cells that are not paid by the adder, as on an ASIC, need a comparator and a
    multiplexer only, no sums.
    """

    name = "minimum"
    shared = True

    def _weight_bits(self) -> int:
        return self._config.l1_weight_bits

    def leaves(self, m, fabric, complements, weights, enable):
        bits = self._config.activation_bits
        operands = []
        for lane, (z, weight) in enumerate(zip(complements, weights, strict=True)):
            total = Signal(bits + 1, name=f"total{lane}")
            m.d.comb += total.eq(z + weight)
            rest = bits - len(weight)
            leaf = Mux(total[bits], Cat(~weight, Const((1 << rest) - 1, rest)), z)
            if self._config.leaf_register:
                held = Signal(bits, name=f"leaf{lane}", reset_less=True)
                with m.If(enable):
                    m.d.sync += held.eq(leaf)
                leaf = held
            operands.append(Operand(leaf))
        return operands

    def model(self, x, code):
        top = (1 << self._config.activation_bits) - 1
        return min(top - x, top - code)


class Sign(ProcessingElement):
    """x for the weight 1, z for -1, 0 for 0. Code from bit 0: positive, zero (which goes with positive)."""

    name = "sign"

    def leaves(self, m, fabric, complements, weights, enable):
        operands = []
        for lane, (z, (positive, zero)) in enumerate(zip(complements, weights, strict=True)):
            if not self._config.leaf_register:
                operands.append(Operand(z | zero.replicate(len(z)), invert=positive))
                continue
            # Adders add neighbours, and may take the gate of one or of both.
            late = lane % 2 < fabric.merged["invert"]
            empty = -1 if late else 0       # all ones stand for x = 0, and 0 for itself
            leaf = Signal(len(z), init=empty, name=f"leaf{lane}", reset_less=True)
            with m.If(zero):
                m.d.sync += leaf.eq(empty)
            with m.Elif(enable):
                m.d.sync += leaf.eq(z if late else Operand(z, invert=positive).resolve())
            if not late:
                operands.append(Operand(leaf))
                continue
            inverted = Signal(name=f"inverted{lane}", reset_less=True)
            with m.If(enable):
                m.d.sync += inverted.eq(positive)
            operands.append(Operand(leaf, invert=inverted))
        return operands

    def model(self, x, code):
        return ((1 << self._config.activation_bits) - 1 - x, x, 0, 0)[code]


class Shift(ProcessingElement):
    """``x << p``, its one's complement for a negative weight, or 0. Code from bit 0: exponent, negative, zero.

    The complement comes first and ones are shifted in: then it is the fourth input of the first multiplexers' look-up
    tables. Of every other lane, the last multiplexers move into the first adder where the fabric can take them.
    """

    name = "shift"

    def __init__(self, config: Config):
        super().__init__(config)
        self.leaf_bits = config.activation_bits + config.shift_exponents - 1

    def leaves(self, m, fabric, complements, weights, enable):
        operands = []
        for lane, (z, weight) in enumerate(zip(complements, weights, strict=True)):
            *exponent, negative, zero = weight
            if not self._config.leaf_register:
                value = self._shifted(z ^ (~negative).replicate(len(z)), exponent, negative)
                operands.append(Operand(value & (~zero).replicate(len(value))))
                continue
            last = exponent.pop() if lane % 2 < fabric.merged["select"] else None
            value = self._shifted(z ^ (~negative).replicate(len(z)), exponent, negative)
            leaf = Signal(len(value), name=f"leaf{lane}", reset_less=True)
            with m.If(zero):
                m.d.sync += leaf.eq(0)
            with m.Elif(enable):
                m.d.sync += leaf.eq(value)
            if last is None:
                operands.append(Operand(leaf))
                continue
            select, fill = (Signal(name=f"{name}{lane}", reset_less=True) for name in ("select", "fill"))
            with m.If(enable):
                m.d.sync += [select.eq(last), fill.eq(negative)]
            ones = fill.replicate(1 << len(exponent))
            operands.append(Operand(Cat(leaf, ones), select=select, other=Cat(ones, leaf)))
        return operands

    @staticmethod
    def _shifted(value: Value, exponent: list[Value], fill: Value) -> Value:
        """A barrel shifter, each stage as much wider as it shifts."""
        for level, selected in enumerate(exponent):
            ones = fill.replicate(1 << level)
            value = Mux(selected, Cat(ones, value), Cat(value, ones))
        return value

    def model(self, x, code):
        exponent, flags = code % self._config.shift_exponents, code // self._config.shift_exponents
        return (x << exponent, (1 << self.leaf_bits) - 1 - (x << exponent), 0, 0)[flags]


#: Every kind by its name.
KINDS: dict[str, type[ProcessingElement]] = {kind.name: kind for kind in (L1, Minimum, Sign, Shift, Unified)}


def kind_of(name: str, config: Config) -> ProcessingElement:
    """The kind of PE called `name` in the widths of `config`.

    Raises
    ------
    ValueError
        For an unknown name.
    """
    if name not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {name!r}")
    return KINDS[name](config)


def kind_for(operator: str, config: Config) -> ProcessingElement:
    """The kind of PE that an operator is computed with in a configuration."""
    if config.unified and operator != "shift":
        return kind_of("unified", config)
    return kind_of("minimum" if config.l1_minimum and operator == "l1" else operator, config)
