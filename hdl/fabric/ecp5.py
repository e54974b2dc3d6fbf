"""Lattice ECP5: adders of CCU2C cells, with the gates of both addends in the carry cells."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from types import MappingProxyType
from typing import NamedTuple

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value

from nomul.gen.spec.latency import LATE
from nomul.hdl.constants import held
from nomul.hdl.fabric.base import Fabric
from nomul.hdl.fabric.operand import Operand
from nomul.hdl.memory import add_memory

__all__ = ["Ecp5"]

#: Block RAMs that share the registers of their address.
_LOADS = 8


class _Slot(NamedTuple):
    """One of the two bits of a CCU2C: inputs A to D, and its look-up table."""

    inputs: tuple[Value, Value, Value, Value]
    init: int


class Ecp5(Fabric):
    """A CCU2C is two slots of a carry chain, and each counts as one LUT4. A slot gives, with F its 16-bit table,

        ``S = F(A, B, C, D) ^ CIN``,    ``COUT = CIN if F(A, B, C, D) else F(A, B, 0, 0)``

    (Lattice ECP5 family data sheet FPGA-DS-02012, PFU in ripple mode; behaviour as in yosys's ``ccu2c_sim.vh``). So a
    slot adds any f(A, B) to any g(C, D) with g(0, 0) = 0, which takes the gates of both addends, or adds A to a bit
    selected by B from C and D. Synthesis tools use neither.

    A carry that is wanted as a bit of the sum takes a slot with inputs 0, whose own carry out is 0: so the next sum
    can start right behind it. Two sums of an odd width on one chain save a cell; more than two would save no more. Wide
    sums stay alone: measured, a chain that is longer than the accumulators' becomes the critical path.
    """

    name = "ecp5"
    late_memories = True        # 5.8 ns from clock to data, at speed grade 6
    close_columns, close_lanes = 4, 8       # a way across a chip of 84,000 look-up tables takes 10 ns
    merged = MappingProxyType({"invert": 2, "saturate": 2, "select": 1})
    _LONGEST = 20       # slots of a chain of two sums
    _BLOCKS = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024))     # shapes of a block RAM: bits, words

    def add(self, m: Module, name: str, sums: Sequence[Sequence[Operand]], width: int) -> list[Value]:
        """See `Fabric.add`."""
        results: list[Value] = []
        waiting: list[tuple[list[_Slot], Signal]] = []      # for another sum to share their chain
        for n, operands in enumerate(sums):
            chained = width % 2 == 1 and 2 * width <= self._LONGEST and max(map(len, operands)) < width
            if len(operands) != 2 or (all(operand.plain for operand in operands) and not chained):
                results += super().add(m, f"{name}_{n}", [operands], width)     # the tool does as well
                continue
            total = Signal(width, name=f"{name}_{n}")
            results.append(total)
            slots = self._slots(operands[0], operands[1], width)
            if not chained:
                self._chain(m, f"{name}_{n}", [(slots, total)])
                continue
            waiting.append((slots, total))
            if len(waiting) == 2:
                self._chain(m, f"{name}_{n}", waiting)
                waiting = []
        if waiting:
            self._chain(m, f"{name}_last", waiting)
        return results

    def copies(self, m: Module, name: str, value: Value, count: int, *, enable: Value | None = None) -> list[Value]:
        """See `Fabric.copies`; they are cells, as the tool makes one of registers that are the same."""
        if count == 1:
            return super().copies(m, name, value, 1, enable=enable)
        copies: list[Value] = []
        ports = {"p_CEMUX": "1"} if enable is None else {"p_CEMUX": "CE", "i_CE": enable}
        for n in range(count):
            copy = Signal(len(value), name=f"{name}_copy{n}")
            for k, bit in enumerate(value):
                m.submodules[f"{name}_copy{n}_{k}"] = Instance(
                    "TRELLIS_FF", p_GSR="AUTO", p_CLKMUX="CLK", p_LSRMUX="LSR", p_REGSET="RESET",
                    i_CLK=ClockSignal(), i_LSR=Const(0), i_DI=bit, o_Q=copy[k], **ports)
            copies.append(copy)
        return copies

    def constants(self, m: Module, name: str, value: Value, count: int = 1) -> list[Value]:
        """See `Fabric.constants`."""
        return self.copies(m, name, value, count)

    def large_memory(self, m: Module, name: str, depth: int, write_address: Value, write_data: Value,
                     write_enable: Value, read_address: Value) -> Value:
        """See `Fabric.large_memory`.

        A block RAM is deep and narrow, or shallow and wide, and only shapes of up to 2048 words use all of its bits. So
        a memory has rows of block RAMs, of one shape and a smaller one for the rest, as `_rows` chooses. Behind each is
        a register, and behind all a multiplexer and the other registers; the tool saves blocks alone, and puts wide and
        slow multiplexers behind them.
        """
        width = len(write_data)
        to, address = held(m, write_address, f"{name}_to"), Signal(range(depth), name=f"{name}_address")
        write_enable = held(m, write_enable, f"{name}_enable")
        m.d.comb += address.eq(Mux(write_enable, to, read_address))
        given = held(m, held(m, write_data, f"{name}_word"), f"{name}_given")
        rows, words, chosen, first = self._rows(depth, width), [], [], 0
        for n, (bits, size) in enumerate(rows):
            within = (size - 1).bit_length()        # bits of an address in this row, whose first is a multiple of that
            writing, reading = (value[within:] == first >> within for value in (to, address))
            lows = range(0, width, bits)
            places = self.copies(m, f"{name}_{n}", Cat(address[:within], write_enable & writing),
                                 -(-len(lows) // _LOADS))
            word = []
            for k, low in enumerate(lows):
                place, enable = places[k // _LOADS][:-1], places[k // _LOADS][-1]
                word.append(add_memory(m, f"{name}_{n}_{low}", size, place, given[low:low + bits], enable, place))
            words.append(held(m, Cat(word), f"{name}_{n}_late"))
            for stage in range(3):
                reading = held(m, reading, f"{name}_{n}_chosen{stage}")
            chosen.append(reading)
            first += size
        if len(rows) > 1:
            words = [reduce(or_, (Mux(choose, word, 0) for word, choose in zip(words, chosen, strict=True)))]
        return self._arrive(m, name, words[0], LATE - 2)

    def lane_memory(self, m: Module, name: str, lanes: int, depth: int, write_address: Value, write_data: Value,
                    write_enable: Value, read_address: Value) -> Value:
        """See `Fabric.lane_memory`; few lanes share the registers of their addresses."""
        bits = len(write_data) // lanes
        group = max(1, _LOADS * self._BLOCKS[0][1] // (bits * depth))      # lanes
        count = -(-lanes // group)
        to, asked = (self.copies(m, f"{name}_{what}", address, count)
                     for what, address in (("to", write_address), ("asked", read_address)))
        word, enable = held(m, write_data, f"{name}_word"), held(m, write_enable, f"{name}_enable")
        found = []
        for n, low in enumerate(range(0, lanes, group)):
            part = word[bits * low:bits * (low + group)]
            found.append(self._lanes(m, f"{name}_{n}", len(part) // bits, depth, to[n], part,
                                     enable[low:low + group], asked[n]))
        return self._arrive(m, name, Cat(found))

    def _rows(self, depth: int, width: int) -> list[tuple[int, int]]:
        """Bits and words of each row of block RAMs: the fewest blocks, and a row's multiplexer counts as one more."""
        def cost(rows: list[tuple[int, int]]) -> int:
            return len(rows) + sum(-(-width // bits) for bits, _ in rows)

        choices = [[(bits, words)] * (depth // words) + (self._rows(depth % words, width) if depth % words else [])
                   for bits, words in self._BLOCKS if words <= depth]
        shape = next((bits for bits, words in reversed(self._BLOCKS) if words >= depth), None)
        return min(choices + ([[(shape, depth)]] if shape else []), key=cost)

    @staticmethod
    def _slots(first: Operand, second: Operand, width: int) -> list[_Slot]:
        """The slots of one sum, lowest bit first."""
        if first.select is not None:
            first, second = second, first
        if second.select is not None:
            a = first.resolve()
            init = _table(lambda a, b, c, d: a ^ (d if b else c))
            return [_Slot((_bit(a, n), second.select, _bit(second.value, n), _bit(second.other, n)), init)
                    if n < len(second) else _Slot((_bit(a, n), *3 * (Const(0),)), init) for n in range(width)]
        f, f_gate = _gate(first)
        g, g_gate = _gate(second)
        init = _table(lambda a, b, c, d: f(a, b) ^ g(c, d))
        return [_Slot((_bit(first.value, n), f_gate if n < len(first) else Const(0),
                       _bit(second.value, n), g_gate if n < len(second) else Const(0)), init) for n in range(width)]

    @staticmethod
    def _chain(m: Module, name: str, parts: list[tuple[list[_Slot], Signal]]) -> None:
        """A carry chain, and the sums that are its bits."""
        slots = [slot for part, _ in parts for slot in part]
        if len(slots) % 2:
            slots.append(_Slot((Const(0), Const(0), Const(0), Const(0)), 0))
        bits, carry = Signal(len(slots), name=f"{name}_bits"), Const(0)
        for n in range(0, len(slots), 2):
            out = Signal(name=f"{name}_carry{n}")
            ports = {f"i_{port}{k}": value for k in range(2)
                     for port, value in zip("ABCD", slots[n + k].inputs, strict=True)}
            m.submodules[f"{name}_cell{n // 2}"] = Instance(
                "CCU2C", p_INIT0=Const(slots[n].init, 16), p_INIT1=Const(slots[n + 1].init, 16),
                p_INJECT1_0="NO", p_INJECT1_1="NO",
                i_CIN=carry, o_COUT=out, o_S0=bits[n], o_S1=bits[n + 1], **ports)
            carry = out
        m.d.comb += Cat(total for _, total in parts).eq(bits)


def _bit(value: Value, n: int) -> Value:
    return value[n] if n < len(value) else Const(0)


def _gate(operand: Operand) -> tuple[Callable[[int, int], int], Value]:
    """What a gate does to a bit, and the gate's signal."""
    if operand.invert is not None:
        return lambda value, gate: value ^ gate, operand.invert
    if operand.saturate is not None:
        return lambda value, gate: value | gate, operand.saturate
    return lambda value, _: value, Const(0)


def _table(function: Callable[[int, int, int, int], int]) -> int:
    """The contents of a look-up table; input A is the lowest bit of the address."""
    return sum(function(n & 1, n >> 1 & 1, n >> 2 & 1, n >> 3 & 1) << n for n in range(16))
