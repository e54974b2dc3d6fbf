"""AMD Xilinx 7 series and later: adders of LUT6_2 and CARRY4 cells, of two gated addends or of three plain ones."""

from collections.abc import Callable, Sequence
from types import MappingProxyType

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from nomul.hdl.fabric.base import Fabric
from nomul.hdl.fabric.operand import Operand

__all__ = ["Xilinx"]


class Xilinx(Fabric):
    """A bit of a carry chain is ``O = S ^ CI``, ``CO = CI if S else DI``; S is the output O6 of a six-input table.

    The table has a second output, O5, of the same five inputs (AMD UG474, "Carry Logic" and "Look-Up Table"; behaviour
    as in yosys's ``xilinx/cells_sim.v``). For two addends it is DI, and both may be inverted on their way. For three it
    is the majority of the three bits, which goes to the table of the next bit as its fourth input m and to that bit's
    DI: ``S = a ^ b ^ c ^ m``, so that a third addend costs nothing but a wire from bit to bit.

    A gate in the first adder pays where it saves more than adding three at once: inverters, and one selection, of
    which tools make ``S = a ^ (s ? d : c)`` with DI from O5. Saturation is the set of a register for nothing instead:
    a tree of 16 bytes takes 105 LUT6 if its first level has gates, and 78 if not.

    UltraScale's CARRY8 is the same for eight bits, or for four twice (UG974); CARRY4 is left to Vivado's retargeting
    there (UG904), which was not tried.
    """

    name = "xilinx"
    operands = 3
    merged = MappingProxyType({"invert": 2, "saturate": 0, "select": 1})

    def add(self, m: Module, name: str, sums: Sequence[Sequence[Operand]], width: int) -> list[Value]:
        """See `Fabric.add`."""
        results = []
        for n, operands in enumerate(sums):
            if len(operands) == 3:
                results.append(self._three(m, f"{name}_{n}", [operand.resolve() for operand in operands], width))
            elif len(operands) == 2 and any(operand.invert is not None for operand in operands):
                results.append(self._two(m, f"{name}_{n}", operands[0], operands[1], width))
            else:
                results += super().add(m, f"{name}_{n}", [operands], width)     # the tool does as well
        return results

    def _two(self, m: Module, name: str, first: Operand, second: Operand, width: int) -> Value:
        """Sum of two addends, each inverted or not."""
        propagate, generate = Signal(width, name=f"{name}_propagate"), Signal(width, name=f"{name}_generate")
        a, b = (operand.value if operand.invert is not None else operand.resolve() for operand in (first, second))
        for bit in range(min(width, max(len(a), len(b)))):
            inputs = [_bit(a, bit), _gate(first, bit), _bit(b, bit), _gate(second, bit)]
            _table(m, f"{name}_lut{bit}", inputs, propagate[bit], generate[bit],
                   lambda a, p, b, q: a ^ p ^ b ^ q, lambda a, p, b, q: a ^ p)
        return _chain(m, name, propagate, generate)

    def _three(self, m: Module, name: str, addends: list[Value], width: int) -> Value:
        """Sum of three addends."""
        propagate, majority = Signal(width, name=f"{name}_propagate"), Signal(width + 1, name=f"{name}_majority")
        for bit in range(min(width, max(map(len, addends)) + 1)):
            inputs = [*(_bit(addend, bit) for addend in addends), majority[bit]]
            _table(m, f"{name}_lut{bit}", inputs, propagate[bit], majority[bit + 1],
                   lambda a, b, c, m: a ^ b ^ c ^ m, lambda a, b, c, m: (a + b + c) >> 1)
        return _chain(m, name, propagate, majority[:width])


def _bit(value: Value, n: int) -> Value:
    return value[n] if n < len(value) else Const(0)


def _gate(operand: Operand, n: int) -> Value:
    return operand.invert if operand.invert is not None and n < len(operand) else Const(0)


def _table(m: Module, name: str, inputs: list[Value], six: Value, five: Value,
           function6: Callable[..., int], function5: Callable[..., int]) -> None:
    """A LUT6_2 with four inputs in use: O6 with I5 = 1 reads the upper half of its contents, O5 the lower one."""
    bits = [(n & 1, n >> 1 & 1, n >> 2 & 1, n >> 3 & 1) for n in range(32)]
    init = sum(function5(*each) << n | function6(*each) << n + 32 for n, each in enumerate(bits))
    m.submodules[name] = Instance(
        "LUT6_2", p_INIT=Const(init, 64), i_I0=inputs[0], i_I1=inputs[1], i_I2=inputs[2], i_I3=inputs[3],
        i_I4=Const(0), i_I5=Const(1), o_O6=six, o_O5=five)


def _chain(m: Module, name: str, propagate: Value, generate: Value) -> Value:
    """The sum bits of a carry chain."""
    width = len(propagate)
    total = Signal(-(-width // 4) << 2, name=f"{name}_bits")
    carry: Value = Const(0)
    for n in range(0, width, 4):
        missing = Const(0, max(0, n + 4 - width))
        out = Signal(4, name=f"{name}_carry{n}")
        m.submodules[f"{name}_cell{n // 4}"] = Instance(
            "CARRY4", i_CI=carry, i_CYINIT=Const(0), i_S=Cat(propagate[n:n + 4], missing),
            i_DI=Cat(generate[n:n + 4], missing), o_O=total[n:n + 4], o_CO=out)
        carry = out[3]
    return total[:width]
