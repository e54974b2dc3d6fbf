"""The processing array: a sub-array of lanes × columns processing elements for each operator, side by side."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, ShapeLike, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import array_latency
from nomul.gen.spec.operators import Operator
from nomul.hdl.fabric import fabric_of
from nomul.hdl.pe import ProcessingElement, kind_for
from nomul.hdl.subarray import SubArray, column_sum_bits
from nomul.hdl.tile import tile_layout

__all__ = ["ProcessingArray"]


class ProcessingArray(wiring.Component):
    """One sum of `lanes` leaves per column and cycle.

    A pipeline of constant latency, one word per cycle, without back-pressure: input register, sub-arrays, output
    register. There is a sub-array for each of the configuration's operators, or one for both L1 and SIGN if its
    processing elements are unified, all on the same input register, chosen from at the output register. Registers load
    only valid data, and only in the sub-array of the operator: what does not count does not switch, and costs no time
    in a simulation.
    The input register holds the one's complements of the activations, which is what the sub-arrays want. An L1 column
    gives ``2·Σ leaf - Σ z``, or with `l1_minimum` ``2·Σ leaf + Σ x``, which is not negative. With `i_own_lane` column n
    takes z or x of lane n only.

    Parameters
    ----------
    config : Config
        Gives sizes, operators and registers.
    tag_shape : ShapeLike
        Of what travels along with the activations.

    Members
    -------
    i_valid : In(1), i_tag : In(tag_shape), i_activations : In(lanes × activation_bits)
        A word of activations.
    i_operator : In(2)
        Constant while anything is in the array; must be one of the configuration's.
    i_own_lane : In(1)
        Constant while anything is in the array. Only with the configuration's `depthwise_l1`.
    weights : In(tile_layout(config))
        Used in the cycle after `i_valid`; so `WeightTile.swap` comes in the cycle before a tile's first `i_valid`.
        A weight code is in the low bits of its field.
    o_valid : Out(1), o_tag : Out(tag_shape)
        In the next cycle come sums; of what came in ``latency - 1`` cycles ago.
    o_sums : Out(columns × sum_bits)
        Of what came in `latency` cycles ago.

    Attributes
    ----------
    sum_bits : int
        Width that holds the sums of all the configuration's operators, which are unsigned.
    latency : int
        Clock cycles from `i_valid` to `o_sums`.
    """

    def __init__(self, config: Config, tag_shape: ShapeLike):
        self._config = config
        self._kinds = {Operator.from_key(key): kind_for(key, config) for key in config.operators}
        # 2·Σ leaf - Σ z is largest for z = 0 and w = 2^A - 1: twice the largest sum of leaves.
        self.sum_bits = max(column_sum_bits(config, kind.leaf_bits) + kind.shared for kind in self._kinds.values())
        self.latency = array_latency(config)
        super().__init__({
            "i_valid": In(1), "i_tag": In(tag_shape),
            "i_activations": In(data.ArrayLayout(unsigned(config.activation_bits), config.lanes)),
            "i_operator": In(2), "weights": In(tile_layout(config)),
            "o_valid": Out(1), "o_tag": Out(tag_shape),
            "o_sums": Out(data.ArrayLayout(unsigned(self.sum_bits), config.columns)),
            **({"i_own_lane": In(1)} if config.depthwise_l1 else {}),
        })

    def elaborate(self, platform):
        m, fabric = Module(), fabric_of(platform)
        # Data registers have no reset: only `valid` says whether they mean anything.
        valid, tag = [self.i_valid], self.i_tag
        for stage in range(self.latency):
            last_tag = tag
            valid.append(Signal(name=f"valid{stage}"))
            tag = Signal.like(self.i_tag, name=f"tag{stage}", reset_less=True)
            m.d.sync += [valid[-1].eq(valid[-2]), tag.eq(last_tag)]
        m.d.comb += [self.o_valid.eq(valid[-2]), self.o_tag.eq(last_tag)]

        groups = fabric.close_groups(self._config.columns, fabric.close_columns)
        complements = fabric.copies(m, "complements", ~self.i_activations.as_value(), len(groups), enable=self.i_valid)
        sums = Signal.like(self.o_sums, reset_less=True)
        m.d.comb += self.o_sums.eq(sums)
        kinds = {kind.name: kind for kind in self._kinds.values()}
        for name, kind in kinds.items():
            chosen = Signal(name=f"{name}_chosen")
            own = [self.i_operator == operator for operator, other in self._kinds.items() if other.name == name]
            others = [self.i_operator == operator for operator, other in self._kinds.items() if other.name != name]
            # The last kind is also what an impossible operator gives: its sums are those of nobody else.
            last = name == next(reversed(kinds))
            m.d.comb += chosen.eq(~Cat(others).any() if last else Cat(own).any())
            # Of each register behind the input register, and the output register.
            enables = [fabric.copies(m, f"{name}_enable{stage}", each & chosen, len(groups))
                       for stage, each in enumerate(valid[:-2])]
            # The first group finds what all columns share.
            first = SubArray(self._config, name, len(groups[0]))
            for n, group in enumerate(groups):
                part = SubArray(self._config, name, len(group), shared=False) if n else first
                m.submodules[f"{name}_{group.start}" if len(groups) > 1 else name] = part
                *inside, output = [copies[n] for copies in enables]
                m.d.comb += [part.activations.eq(complements[n]), part.enables.eq(Cat(inside))]
                m.d.comb += [part.weights[column - group.start][lane].eq(self.weights[column][lane])
                             for column in group for lane in range(self._config.lanes)]
                with m.If(output):
                    m.d.sync += [sums[column].eq(self._sum(kind, part.sums[column - group.start],
                                                           *self._corrections(kind, first, column)))
                                 for column in group]
        return m

    def _corrections(self, kind: ProcessingElement, part: SubArray, column: int) -> tuple[Value, Value | int]:
        """Σ z, or the column's own, and of how many lanes that is."""
        if not kind.shared:
            return Const(0), 0
        if not self._config.depthwise_l1:
            return part.shared, self._config.lanes
        return (Mux(self.i_own_lane, part.complements[column], part.shared),
                Mux(self.i_own_lane, 1, self._config.lanes))

    def _sum(self, kind: ProcessingElement, leaves: Any, complements: Any, lanes: Any) -> Any:
        """What a column gives, of hardware values or of numbers: never negative."""
        if not kind.shared:
            return leaves
        if kind.name == "minimum":              # Σ x of these lanes
            return (leaves << 1) + (lanes * ((1 << self._config.activation_bits) - 1) - complements)
        return (leaves << 1) - complements

    def model(self, operator: Operator, activations: list[int], weights: list[list[int]], *,
              own_lane: bool = False) -> list[int]:
        """The sum of each column in plain Python.

        Parameters
        ----------
        operator : Operator
            One of the configuration's.
        activations : list of `lanes` int
            Activation codes.
        weights : list of `columns` lists of `lanes` int
            Weight codes.
        own_lane : bool
            As `i_own_lane`.
        """
        kind, top = self._kinds[operator], (1 << self._config.activation_bits) - 1
        sums = [sum(kind.model(x, code) for x, code in zip(activations, column, strict=True)) for column in weights]
        if own_lane:
            return [self._sum(kind, total, top - x, 1) for total, x in zip(sums, activations, strict=True)]
        shared = sum(top - x for x in activations)
        return [self._sum(kind, total, shared, self._config.lanes) for total in sums]
