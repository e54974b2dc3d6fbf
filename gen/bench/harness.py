"""The frame that every array of the benchmark is measured in: registers for its inputs, accumulators for its sums."""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.hdl.fabric import Operand, fabric_of

__all__ = ["GUARD_BITS", "Harness"]

#: Bits of an accumulator above those of a leaf: 4096 leaves fit.
GUARD_BITS = 12


class Harness(wiring.Component):
    """Inputs, an array, and an accumulator a column.

    Accumulators add one sum a cycle, `latency` cycles after the inputs.

    Parameters
    ----------
    array : wiring.Component
        A sub-array as `nomul.hdl.subarray.SubArray`, or one of this package to compare it with.
    registers : bool
        Whether there are registers for activations and weights before the array. On a chip they would be counted, so
        there they are left out, and inputs take effect in the cycle in which they come.

    Members
    -------
    activations : In(lanes · activation_bits), weights : In(columns · lanes · weight_bits)
        The array's, in one word each, the first lane's lowest.
    first : In(1)
        Whether the accumulators are cleared.
    accumulators : Out(columns · accumulator_bits)
        The sums since then, each modulo ``2^accumulator_bits``.
    shared : Out(shared_bits)
        The array's sum for all columns, if it has one.

    Attributes
    ----------
    accumulator_bits : int
        Width of a leaf, and `GUARD_BITS`.
    latency : int
        Clock cycles from the inputs to the accumulators.
    """

    def __init__(self, array: Any, *, registers: bool):
        self._array, self._registers = array, registers
        self.accumulator_bits = array.leaf_bits + GUARD_BITS
        self.latency = registers + array.latency + 1
        self._inputs = array.activations.as_value(), array.weights.as_value()
        members: dict = {
            "activations": In(len(self._inputs[0])), "weights": In(len(self._inputs[1])),
            "first": In(1), "accumulators": Out(self.accumulator_bits * len(array.sums)),
        }
        if hasattr(array, "shared"):
            members["shared"] = Out(len(array.shared))
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Builds the frame around the array."""
        m, fabric, array = Module(), fabric_of(platform), self._array
        m.submodules.array = array
        for source, port in zip((self.activations, self.weights), self._inputs, strict=True):
            if self._registers:
                held = Signal(len(source), name=f"held_{source.name}", reset_less=True)
                m.d.sync += held.eq(source)
                source = held
            m.d.comb += port.eq(source)
        accumulators = []
        for n, total in enumerate(array.sums):
            accumulator = Signal(self.accumulator_bits, name=f"accumulator{n}", reset_less=True)
            # One call each: an accumulator's carry chain is too long to be shared.
            added, = fabric.add(m, f"accumulate{n}", [[Operand(accumulator), Operand(total)]],
                                self.accumulator_bits)
            with m.If(self.first):
                m.d.sync += accumulator.eq(0)
            with m.Else():
                m.d.sync += accumulator.eq(added)
            accumulators.append(accumulator)
        m.d.comb += self.accumulators.eq(Cat(accumulators))
        if hasattr(array, "shared"):
            m.d.comb += self.shared.eq(array.shared)
        return m
