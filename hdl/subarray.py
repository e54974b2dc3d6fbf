"""The part of the array for one kind of processing element: columns of PEs, and an adder tree a column."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import column_latency
from nomul.hdl.fabric import Operand, fabric_of
from nomul.hdl.pe import ProcessingElement, kind_of
from nomul.hdl.tree import add_tree

__all__ = ["Column", "SubArray", "column_sum_bits"]


def column_sum_bits(config: Config, bits: int) -> int:
    """Bits of the sum of `lanes` unsigned numbers of `bits` bits."""
    return (config.lanes * ((1 << bits) - 1)).bit_length()


class Column(wiring.Component):
    """The sum of the leaves of `lanes` PEs, one per cycle, `latency` cycles later; no flow control.

    Parameters
    ----------
    config : Config
        Gives lanes, widths and registers.
    kind : ProcessingElement
        Of all lanes.

    Members
    -------
    activations : In(lanes × activation_bits)
        One's complements of the activations.
    weights : In(lanes × weight_bits)
        Weight codes; low bits of a wider field are taken.
    enables : In(latency)
        Bit n: the registers n + 1 cycles after the inputs load. All 1 if left alone.
    sum : Out(sum_bits)
        Σ leaf.
    """

    def __init__(self, config: Config, kind: ProcessingElement):
        self._config, self._kind = config, kind
        self.latency = column_latency(config)
        self.sum_bits = column_sum_bits(config, kind.leaf_bits)
        super().__init__({
            "activations": In(data.ArrayLayout(unsigned(config.activation_bits), config.lanes)),
            "weights": In(data.ArrayLayout(unsigned(kind.weight_bits), config.lanes)),
            "enables": In(self.latency, init=(1 << self.latency) - 1), "sum": Out(self.sum_bits),
        })

    def elaborate(self, platform):
        m, config, fabric = Module(), self._config, fabric_of(platform)
        registered = int(config.leaf_register)
        leaves = self._kind.leaves(m, fabric, list(self.activations), list(self.weights),
                                   self.enables[0] if registered else None)
        m.d.comb += self.sum.eq(add_tree(m, fabric, leaves, config.tree_levels_per_register,
                                         self.enables[registered:]))
        return m


class SubArray(wiring.Component):
    """`columns` columns on the same activations: a sum each per cycle, `latency` cycles later; no flow control.

    Parameters
    ----------
    config : Config
        Gives lanes, columns, widths and registers.
    kind : str
        A key of `nomul.hdl.pe.KINDS`.
    columns : int, optional
        How many; the configuration's by default.
    shared : bool
        Whether the sum that columns share is wanted, if they share one.

    Members
    -------
    activations : In(lanes × activation_bits)
        One's complements z of the activations.
    weights : In(columns × lanes × weight_bits)
        Weight codes.
    enables : In(latency)
        Bit n: the registers n + 1 cycles after the inputs load. All 1 if left alone.
    sums : Out(columns × sum_bits)
        Σ leaf of each column.
    shared : Out(shared_bits)
        Σ z. Only of kinds with ``-|x - w| = 2·leaf - z - ...``: see `nomul.gen.spec.operators`.
    complements : Out(lanes × activation_bits)
        Each z, when `shared` has its sum. Only of these kinds, with `depthwise_l1`.

    Attributes
    ----------
    latency : int
        Clock cycles from `activations` and `weights` to `sums` and `shared`.
    weight_bits, leaf_bits, sum_bits, shared_bits : int
        Widths.
    """

    def __init__(self, config: Config, kind: str, columns: int | None = None, *, shared: bool = True):
        self._config, self._kind = config, kind_of(kind, config)
        self._columns = config.columns if columns is None else columns
        self._shared = shared and self._kind.shared
        self.latency = column_latency(config)
        self.weight_bits, self.leaf_bits = self._kind.weight_bits, self._kind.leaf_bits
        self.sum_bits, self.shared_bits = (column_sum_bits(config, n) for n in (self.leaf_bits, config.activation_bits))
        members = {
            "activations": In(data.ArrayLayout(unsigned(config.activation_bits), config.lanes)),
            "weights": In(data.ArrayLayout(data.ArrayLayout(unsigned(self.weight_bits), config.lanes),
                                           self._columns)),
            "enables": In(self.latency, init=(1 << self.latency) - 1),
            "sums": Out(data.ArrayLayout(unsigned(self.sum_bits), self._columns)),
        }
        if self._shared:
            members["shared"] = Out(self.shared_bits)
            if config.depthwise_l1:
                members["complements"] = Out(members["activations"].shape)
        super().__init__(members)

    def elaborate(self, platform):
        m, config, fabric = Module(), self._config, fabric_of(platform)
        for n in range(self._columns):
            m.submodules[f"column{n}"] = column = Column(config, self._kind)
            m.d.comb += [
                column.activations.eq(self.activations), column.weights.eq(self.weights[n]),
                column.enables.eq(self.enables), self.sums[n].eq(column.sum),
            ]
        if self._shared:
            registered = int(config.leaf_register)
            stages = [self.activations]
            for stage in range(self.latency if config.depthwise_l1 else registered):
                stages.append(Signal.like(self.activations, name=f"complements{stage}", reset_less=True))
                with m.If(self.enables[stage]):
                    m.d.sync += stages[-1].eq(stages[-2])
            m.d.comb += self.shared.eq(add_tree(m, fabric, [Operand(z) for z in stages[registered]],
                                                config.tree_levels_per_register, self.enables[registered:]))
            if config.depthwise_l1:
                m.d.comb += self.complements.eq(stages[-1])
        return m

    def model(self, activations: list[int], weights: list[list[int]]) -> tuple[list[int], int]:
        """`sums` and ``Σ z`` in plain Python.

        Parameters
        ----------
        activations : list of `lanes` int
            The activations themselves.
        weights : list of `columns` lists of `lanes` int
            Weight codes.
        """
        top = (1 << self._config.activation_bits) - 1
        sums = [sum(self._kind.model(x, code) for x, code in zip(activations, column, strict=True))
                for column in weights]
        return sums, sum(top - x for x in activations)
