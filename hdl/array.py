"""The processing array: lanes × columns processing elements, an adder tree a column, all operators side by side."""

from amaranth.hdl import Cat, Module, Shape, ShapeLike, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator
from nomul.hdl.pe import PROCESSING_ELEMENTS
from nomul.hdl.tile import tile_layout
from nomul.hdl.tree import AdderTree

__all__ = ["ProcessingArray", "sum_range"]


def sum_range(operator: Operator, config: Config) -> tuple[int, int]:
    """The smallest and the largest sum of a column in one cycle.

    L1: a lane adds ``x - 2·max(x - w, 0)``, least for the largest x and w = 0, greatest for x = w.
    """
    x = (1 << config.activation_bits) - 1
    if operator is Operator.L1:
        low, high = -x, (1 << config.l1_weight_bits) - 1
    else:
        high = x << (config.shift_exponents - 1 if operator is Operator.SHIFT else 0)
        low = ~high
    return config.lanes * low, config.lanes * high


class ProcessingArray(wiring.Component):
    """One sum of `lanes` leaves per column and cycle.

    A pipeline of constant latency, one word per cycle, without back-pressure: input register, leaf register, adder
    trees, output register. There is a sub-array for each of the configuration's operators, all on the same input
    register, chosen from at the output register. Registers load only valid data, and only in the sub-array of the
    operator: what does not count does not switch, and costs no time in a simulation.
    An L1 column gives ``Σx - 2·Σ leaf``; all columns share one tree for ``Σx``.

    Parameters
    ----------
    config : Config
        Gives sizes, operators and the registers in the adder trees.
    tag_shape : ShapeLike
        Of what travels along with the activations.

    Members
    -------
    i_valid : In(1), i_tag : In(tag_shape), i_activations : In(lanes × activation_bits)
        A word of activations.
    i_operator : In(2)
        Constant while anything is in the array; must be one of the configuration's.
    weights : In(tile_layout(config))
        Used in the cycle after `i_valid`; so `WeightTile.swap` belongs to the same cycle as a tile's first `i_valid`.
        A weight code is in the low bits of its field.
    o_valid : Out(1), o_tag : Out(tag_shape), o_sums : Out(columns × signed(sum_bits))
        What came in `latency` cycles ago.

    Attributes
    ----------
    sum_bits : int
        Width that holds the sums of all the configuration's operators.
    latency : int
        Clock cycles from `i_valid` to `o_valid`.
    """

    def __init__(self, config: Config, tag_shape: ShapeLike):
        self._config = config
        self._operators = [Operator.from_key(key) for key in config.operators]
        ranges = [sum_range(operator, config) for operator in self._operators]
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        self.sum_bits = Shape.cast(range(low, high + 1)).width
        self.latency = 3 + AdderTree.latency_of(config.lanes, config.tree_levels_per_register)
        super().__init__({
            "i_valid": In(1), "i_tag": In(tag_shape),
            "i_activations": In(data.ArrayLayout(unsigned(config.activation_bits), config.lanes)),
            "i_operator": In(2), "weights": In(tile_layout(config)),
            "o_valid": Out(1), "o_tag": Out(tag_shape),
            "o_sums": Out(data.ArrayLayout(signed(self.sum_bits), config.columns)),
        })

    def _tree(self, shape: ShapeLike) -> AdderTree:
        return AdderTree(shape, self._config.lanes, self._config.tree_levels_per_register)

    def elaborate(self, platform):
        m = Module()
        # Data registers have no reset: only `valid` says whether they mean anything.
        valid, tag = [self.i_valid], self.i_tag
        for stage in range(self.latency):
            last_tag = tag
            valid.append(Signal(name=f"valid{stage}"))
            tag = Signal.like(self.i_tag, name=f"tag{stage}", reset_less=True)
            m.d.sync += [valid[-1].eq(valid[-2]), tag.eq(last_tag)]
        m.d.comb += [self.o_valid.eq(valid[-1]), self.o_tag.eq(tag)]

        activations = Signal.like(self.i_activations, reset_less=True)
        with m.If(self.i_valid):
            m.d.sync += activations.eq(self.i_activations)
        sums = Signal.like(self.o_sums, reset_less=True)
        m.d.comb += self.o_sums.eq(sums)
        for operator in self._operators:
            chosen = Signal(name=f"{operator.key}_chosen")
            # The last operator is also what an impossible one gives: its sums are those of nobody else.
            others = Cat(self.i_operator == other for other in self._operators if other is not operator)
            m.d.comb += chosen.eq(~others.any() if operator is self._operators[-1] else self.i_operator == operator)
            columns = self._columns(m, operator, activations, [chosen & each for each in valid])
            with m.If(chosen & valid[-2]):
                m.d.sync += [target.eq(source) for target, source in zip(sums, columns, strict=True)]
        return m

    def _columns(self, m: Module, operator: Operator, activations: data.View, valid: list) -> list:
        """Adds the sub-array of `operator`; the sum of each column. `valid[n]` goes with the data of stage n."""
        name = operator.key
        totals = []
        for column in range(self._config.columns):
            elements = [PROCESSING_ELEMENTS[operator](self._config) for _ in range(self._config.lanes)]
            shape = elements[0].leaf_shape
            m.submodules[f"{name}_tree{column}"] = tree = self._tree(shape)
            leaves = Signal(tree.terms.shape(), name=f"{name}_leaves{column}", reset_less=True)
            m.d.comb += [tree.terms.eq(leaves), tree.enables.eq(Cat(valid[2:-2]))]
            for lane, element in enumerate(elements):
                m.submodules[f"{name}_pe{column}_{lane}"] = element
                m.d.comb += [element.x.eq(activations[lane]), element.weight.eq(self.weights[column][lane])]
                with m.If(valid[1]):
                    m.d.sync += leaves[lane].eq(element.leaf)
            totals.append(tree.sum)
        if operator is not Operator.L1:
            return totals
        m.submodules.x_tree = tree = self._tree(unsigned(self._config.activation_bits))
        delayed = Signal.like(activations, reset_less=True)
        with m.If(valid[1]):
            m.d.sync += delayed.eq(activations)
        m.d.comb += [tree.terms.eq(delayed), tree.enables.eq(Cat(valid[2:-2]))]
        return [tree.sum - (total << 1) for total in totals]

    def model(self, operator: Operator, activations: list[int], weights: list[list[int]]) -> list[int]:
        """The sum of each column in plain Python.

        Parameters
        ----------
        operator : Operator
            One of the configuration's.
        activations : list of `lanes` int
            Activation codes.
        weights : list of `columns` lists of `lanes` int
            Weight codes.
        """
        leaf = PROCESSING_ELEMENTS[operator].model
        sums = [sum(leaf(x, code, self._config) for x, code in zip(activations, column, strict=True))
                for column in weights]
        return [sum(activations) - 2 * total for total in sums] if operator is Operator.L1 else sums
