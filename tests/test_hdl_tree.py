# amaranth: UnusedElaboratable=no
import random

import pytest
from amaranth.hdl import ClockDomain, Module, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.guard import multiply_cells
from nomul.gen.spec.latency import tree_latency
from nomul.hdl.fabric import Fabric, FabricPlatform, Operand
from nomul.hdl.sim import simulate
from nomul.hdl.tree import add_tree


class Ternary(Fabric):
    operands = 3


class Tree(wiring.Component):
    """A tree of its own, with an inverting gate on every operand."""

    def __init__(self, bits, count, levels_per_register, fabric):
        self.count, self.levels, self.fabric = count, levels_per_register, fabric
        self.latency = tree_latency(count, levels_per_register)
        super().__init__({"terms": In(data.ArrayLayout(unsigned(bits), count)), "inverted": In(count),
                          "enables": In(self.latency, init=(1 << self.latency) - 1),
                          "sum": Out(((1 << bits) * count).bit_length())})

    def elaborate(self, platform):
        m = Module()
        operands = [Operand(term, invert=inverted) for term, inverted in zip(self.terms, self.inverted, strict=True)]
        m.d.comb += self.sum.eq(add_tree(m, self.fabric, operands, self.levels, self.enables))
        return m


def run(dut, rows):
    """The sums of `rows` of (terms, inverted), one entered per cycle."""
    seen = []

    async def bench(ctx):
        for terms, inverted in rows + [rows[-1]] * dut.latency:
            ctx.set(dut.terms, terms)
            ctx.set(dut.inverted, inverted)
            seen.append(ctx.get(dut.sum))
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()      # a tree without registers has none
    m.submodules.dut = dut
    simulate(m, bench)
    return seen[dut.latency:]


@pytest.mark.parametrize(("count", "levels", "latency"), [
    (1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 1, 1), (2, 2, 0), (8, 0, 0), (8, 1, 3), (8, 2, 1), (8, 3, 1), (16, 2, 2),
    (3, 1, 2), (7, 2, 1), (16, 1, 4),
])
@pytest.mark.parametrize("fabric", [Fabric(), Ternary()], ids=["two", "three"])
def test_sums_are_exact_and_come_after_the_latency(fabric, count, levels, latency):
    bits = 5
    dut = Tree(bits, count, levels, fabric)
    assert dut.latency == latency
    dice, top = random.Random(count), (1 << bits) - 1
    rows = [([0] * count, 0), ([top] * count, 0), ([0] * count, (1 << count) - 1)]
    rows += [([dice.randint(0, top) for _ in range(count)], dice.getrandbits(count)) for _ in range(20)]
    sums = run(dut, rows)
    assert sums[:3] == [0, count * top, count * top]
    assert sums == [sum(top - term if inverted >> n & 1 else term for n, term in enumerate(terms))
                    for terms, inverted in rows]


def test_registers_hold_while_their_enable_is_low():
    dut, seen = Tree(4, 4, 1, Fabric()), []

    async def bench(ctx):
        for enables, term in ((0b11, 1), (0b11, 2), (0b10, 3), (0b11, 3), (0b01, 4), (0b11, 4), (0b11, 4)):
            ctx.set(dut.enables, enables)
            ctx.set(dut.terms, [term] * 4)
            await ctx.tick()
            seen.append(ctx.get(dut.sum))

    simulate(dut, bench)
    # The first register takes terms 1 2 . 3 4 4 4; the second takes it a cycle later, but not in the fifth.
    assert seen == [0, 4, 8, 8, 8, 16, 16]


def test_wrong_counts_are_refused():
    with pytest.raises(ValueError, match=r"^an adder tree must have at least 1 operand, not 0$"):
        tree_latency(0, 1)
    with pytest.raises(ValueError, match=r"^levels per register must be 0 \(none\) or more, not -1$"):
        tree_latency(2, -1)


def test_tree_has_no_multiplier():
    assert multiply_cells(Tree(5, 7, 2, Fabric())) == []


def test_unknown_fabric_is_refused():
    with pytest.raises(ValueError, match=r"^fabric must be one of generic, .*, not 'ecp6'$|^fabric must be one of gen"):
        FabricPlatform("ecp6")
