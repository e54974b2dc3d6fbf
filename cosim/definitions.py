"""What sub-arrays must compute, as assertions: written from the definition of each operator, not from the hardware."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from amaranth.hdl import Assert, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nomul.gen.spec.config import Config
from nomul.hdl.subarray import SubArray

__all__ = ["SubArrayClaim"]


class _Lane(NamedTuple):
    """What one lane must do: the rows of the table in `nomul.gen.spec.operators`."""

    legal: Value                        # whether the weight code is one
    leaf: Value
    fold: Value                         # what the leaf leaves out, a function of the weight only
    result: Value                       # op(x, w)


def _complement(value: Value) -> Value:
    """One's complement, unsigned: all ones less the value."""
    return (~value)[:len(value)]


def _l1(x: Value, code: Value, config: Config) -> _Lane:
    top = (1 << config.activation_bits) - 1
    total = _complement(x) + code
    return _Lane(Const(1), Mux(total > top, top, total), -code - top, -abs(x - code))


def _sign(x: Value, code: Value, config: Config) -> _Lane:
    top = (1 << config.activation_bits) - 1
    positive, zero = code
    return _Lane(positive | ~zero,
                 Mux(zero, 0, Mux(positive, x, _complement(x))),
                 Mux(positive, 0, -top),
                 Mux(zero, 0, Mux(positive, x, -x)))


def _shift(x: Value, code: Value, config: Config) -> _Lane:
    ones = (1 << config.activation_bits + config.shift_exponents - 1) - 1
    exponent, negative, zero = code[:config.exponent_bits], code[-2], code[-1]
    magnitude = (x << exponent)[:config.activation_bits + config.shift_exponents - 1]
    return _Lane(~zero | ~code[:-1].any(),
                 Mux(zero, 0, Mux(negative, _complement(magnitude), magnitude)),
                 Mux(negative, -ones, 0),
                 Mux(zero, 0, Mux(negative, -magnitude, magnitude)))


def _unified(x: Value, code: Value, config: Config) -> _Lane:
    """With the ninth bit, and a weight of 0, it is +x; without, L1, which for a weight of 0 is -x."""
    top = (1 << config.activation_bits) - 1
    l1, plus = _l1(x, code[:-1], config), code[-1]
    return _Lane(~plus | ~code[:-1].any(), Mux(plus, top, l1.leaf), l1.fold, Mux(plus, x, l1.result))


def _minimum(x: Value, code: Value, config: Config) -> _Lane:
    top = (1 << config.activation_bits) - 1
    largest = Mux(x > code, x, code)
    return _Lane(Const(1), (top - largest)[:config.activation_bits], code - top, -abs(x - code))


_LANES = {"l1": _l1, "minimum": _minimum, "sign": _sign, "shift": _shift, "unified": _unified}


class SubArrayClaim(wiring.Component):
    """A sub-array, and assertions that its sums are what the definition says, for `nomul.cosim.formal.prove`.

    They hold for the inputs of `latency` cycles ago, if every register on their way was enabled when they came and if
    their weight codes are legal. What the registers did at other times does not matter:

    1. In each lane, ``leaf + fold`` is op(x, w); where a column's sum stands for ``2·Σ leaf - Σ z``,
       ``2·leaf - z + fold`` is.
    2. `sums` are the leaves' sums, and `shared` is Σ z.
    3. A sum stays while the last registers in the tree are not enabled.

    From 1 and 2 follows that sums with the fold are ``Σ op(x, w)``. In one assertion this would be hopeless: a solver
    would have to find by trying that addition is associative.

    Parameters
    ----------
    config : Config
        See `SubArray`.
    kind : str
        See `SubArray`.

    Members
    -------
    activations : In(lanes × activation_bits)
        The activations x themselves.
    weights : In(columns × lanes × weight_bits)
        Any codes.
    enables : In(latency)
        Anything.

    Attributes
    ----------
    latency : int
        Clock cycles after which the assertions hold.
    """

    def __init__(self, config: Config, kind: str):
        self._config, self._kind = config, kind
        self._dut = SubArray(config, kind)
        self.latency = self._dut.latency
        ports = self._dut.signature.members
        super().__init__({name: In(ports[name].shape) for name in ("activations", "weights", "enables")})

    def elaborate(self, platform: Any) -> Module:
        """Adds the assertions."""
        m, config = Module(), self._config
        m.submodules.dut = dut = self._dut
        m.d.comb += [dut.activations.eq(~self.activations.as_value()), dut.weights.eq(self.weights),
                     dut.enables.eq(self.enables)]
        activations, weights, loaded = self._past(m)
        shared = hasattr(dut, "shared")
        for column, codes in enumerate(weights):
            lanes = [_LANES[self._kind](x, code, config) for x, code in zip(activations, codes, strict=True)]
            for x, lane in zip(activations, lanes, strict=True):
                total = 2 * lane.leaf - _complement(x) if shared else lane.leaf
                m.d.comb += Assert(~lane.legal | (total + lane.fold == lane.result))
            legal = Cat(lane.legal for lane in lanes).all()
            m.d.comb += Assert(~(loaded & legal) | (dut.sums[column] == _sum([lane.leaf for lane in lanes])))
        if shared:
            complements = [_complement(x) for x in activations]
            m.d.comb += Assert(~loaded | (dut.shared == _sum(complements)))
        if self.latency > config.leaf_register:
            self._hold(m, Cat(dut.sums, dut.shared) if shared else dut.sums.as_value())
        return m

    def _past(self, m: Module):
        """Activations and weights of `latency` cycles ago, and whether each register loaded what came of them."""
        activations, weights, loaded = self.activations, self.weights, Const(1)
        for n in range(self.latency):
            before = activations, weights, loaded & self.enables[n]
            activations, weights, loaded = (
                Signal.like(value, name=f"{name}_past{n + 1}", reset_less=True)
                for name, value in zip(("activations", "weights", "loaded"), before, strict=True))
            m.d.sync += [now.eq(then) for now, then in zip((activations, weights, loaded), before, strict=True)]
        return activations, weights, loaded

    def _hold(self, m: Module, sums: Value) -> None:
        before, enabled = Signal.like(sums, name="sums_past", reset_less=True), Signal(reset_less=True)
        m.d.sync += [before.eq(sums), enabled.eq(self.enables[-1])]
        m.d.comb += Assert(enabled | (sums == before))


def _sum(values: Sequence[Value]) -> Value:
    """Two by two, the shape of most fabrics' trees: a solver finds the same sums on both sides, and is done."""
    while len(values) > 1:
        values = [first + second for first, second in zip(values[::2], values[1::2], strict=True)]
    return values[0]
