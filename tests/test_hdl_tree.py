# amaranth: UnusedElaboratable=no
import random

import pytest
from amaranth.hdl import ClockDomain, Module, Shape, signed, unsigned

from nomul.gen.guard import multiply_cells
from nomul.hdl.sim import simulate
from nomul.hdl.tree import AdderTree


def run(dut, rows):
    """The sums of `rows`, one entered per cycle."""
    seen = []

    async def bench(ctx):
        for row in rows + [rows[-1]] * dut.latency:
            ctx.set(dut.terms, row)
            seen.append(ctx.get(dut.sum))
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()      # a tree without registers has none
    m.submodules.dut = dut
    simulate(m, bench)
    return seen[dut.latency:]


@pytest.mark.parametrize(("count", "levels", "latency"), [
    (1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 1, 1), (2, 2, 0), (8, 0, 0), (8, 1, 3), (8, 2, 1), (8, 3, 1), (16, 2, 2),
    (3, 1, 2), (7, 2, 1),
])
@pytest.mark.parametrize("shape", [unsigned(3), signed(5)])
def test_sums_are_exact_and_come_after_the_latency(shape, count, levels, latency):
    dut = AdderTree(shape, count, levels)
    assert dut.latency == latency
    assert dut.levels == {1: 0, 2: 1, 3: 2, 7: 3, 8: 3, 16: 4}[count]
    low, high = (-(1 << shape.width - 1), (1 << shape.width - 1) - 1) if shape.signed else (0, 7)
    dice = random.Random(count)
    rows = [[low] * count, [high] * count] + [[dice.randint(low, high) for _ in range(count)] for _ in range(20)]
    sums = run(dut, rows)
    assert sums[:2] == [count * low, count * high]
    assert sums == [dut.model(row) for row in rows]


def test_width_grows_one_bit_a_level():
    assert AdderTree(signed(9), 16, 1).sum_shape == Shape(13, signed=True)
    assert AdderTree(unsigned(2), 5, 0).sum_shape == Shape(5)
    assert AdderTree(unsigned(4), 1, 0).sum_shape == Shape(4)


def test_wrong_counts_are_refused():
    with pytest.raises(ValueError, match=r"^an adder tree must have at least 1 term, not 0$"):
        AdderTree(4, 0, 1)
    with pytest.raises(ValueError, match=r"^levels per register must be 0 \(none\) or more, not -1$"):
        AdderTree(4, 2, -1)


def test_tree_has_no_multiplier():
    assert multiply_cells(AdderTree(signed(5), 7, 2)) == []
