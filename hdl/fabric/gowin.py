"""Gowin LittleBee and Arora: adders of ALU cells, one of whose addends may be inverted."""

from collections.abc import Sequence
from types import MappingProxyType

from amaranth.hdl import Const, Instance, Module, Signal, Value

from nomul.hdl.fabric.base import Fabric
from nomul.hdl.fabric.operand import Operand

__all__ = ["Gowin"]

_ADDSUB = 2         # ALU_MODE


class Gowin(Fabric):
    """An ALU cell takes a LUT4's place and adds two bits. In the mode ADDSUB it is

        ``SUM = S ^ CIN``,    ``COUT = CIN if S else I0``,    with ``S = I0 ^ I1 ^ ~I3``

    (Gowin Primitives user guide SUG283, ALU; behaviour as in yosys's ``gowin/cells_sim.v``): I1 is inverted where I3 is
    0. So one gate of the two is free, but for one inverter. The other modes have nothing for us, and plain sums are
    left to the tool.
    """

    name = "gowin"
    merged = MappingProxyType({"invert": 1, "saturate": 0, "select": 0})

    def add(self, m: Module, name: str, sums: Sequence[Sequence[Operand]], width: int) -> list[Value]:
        """See `Fabric.add`."""
        results = []
        for n, operands in enumerate(sums):
            late = next((operand for operand in operands if operand.invert is not None), None)
            if len(operands) != 2 or late is None or late.invert is None:
                results += super().add(m, f"{name}_{n}", [operands], width)
                continue
            other = (operands[0] if late is operands[1] else operands[1]).resolve()
            straight = Signal(name=f"{name}_{n}_straight")
            m.d.comb += straight.eq(~late.invert)
            total, carry = Signal(width, name=f"{name}_{n}"), Const(0)
            for bit in range(width):
                out = Signal(name=f"{name}_{n}_carry{bit}")
                m.submodules[f"{name}_{n}_cell{bit}"] = Instance(
                    "ALU", p_ALU_MODE=Const(_ADDSUB, 32), i_CIN=carry, o_COUT=out, o_SUM=total[bit],
                    i_I0=other[bit] if bit < len(other) else Const(0),
                    i_I1=late.value[bit] if bit < len(late) else Const(0),
                    i_I3=straight if bit < len(late) else Const(1))
                carry = out
            results.append(total)
        return results
