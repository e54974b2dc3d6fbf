# amaranth: UnusedElaboratable=no
"""The frame of the benchmark: accumulators that begin anew with `first`, whatever the array."""

import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from nomul.gen.bench.harness import Harness
from nomul.gen.bench.pes import PES, Size, build_array


def word(values, bits):
    return sum(value << bits * n for n, value in enumerate(values))


@pytest.mark.parametrize("registers", [False, True])
def test_accumulators_add_every_cycle_until_first_clears_them(registers):
    array = build_array("textbook", "generic", Size(4, 2))
    frame = Harness(array, registers=registers)
    assert frame.accumulator_bits == 8 + 12
    seen = []

    async def bench(ctx):
        ctx.set(frame.activations, word((5, 0, 255, 7), 8))
        ctx.set(frame.weights, word((1, 2, 3, 4, 255, 255, 255, 255), 8))
        ctx.set(frame.first, 1)
        await ctx.tick().repeat(frame.latency)
        ctx.set(frame.first, 0)
        for _ in range(3):
            await ctx.tick()
            both = ctx.get(frame.accumulators)
            seen.append((both & 0xFFFFF, both >> 20))

    simulator = Simulator(frame)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    # 4 + 2 + 252 + 3, and 250 + 255 + 0 + 248.
    assert seen == [(261, 753), (522, 1506), (783, 2259)]


@pytest.mark.parametrize("name", PES)
def test_array_fits_its_accumulator_and_only_the_tools_multiplier_multiplies(name):
    size = Size(4, 2, 6, 5)
    array = build_array(name, "generic", size)
    frame = Harness(array, registers=True)
    assert len(frame.weights) == 2 * 4 * array.weight_bits
    assert frame.accumulator_bits >= array.sum_bits
    assert len(frame.accumulators) == 2 * frame.accumulator_bits
    assert ("$mul" in rtlil.convert(frame)) == (name in ("multiplier-tool", "multiplier-dsp"))
