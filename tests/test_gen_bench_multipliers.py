# amaranth: UnusedElaboratable=no
"""Arrays to compare with: in the simulator against plain arithmetic, in both arrangements of gates."""

import random

import pytest
from amaranth.sim import Simulator

from nomul.gen.bench.multipliers import GatedMultiplier, MergedMultiplier, RowMultiplier
from nomul.gen.bench.plain import TextbookL1, ToolMultiplier
from nomul.gen.spec.config import Config

COLUMNS = 2


def config(lanes, activation_bits, weight_bits, registers=True):
    return Config(name="bench", lanes=lanes, columns=COLUMNS, operators=("l1",), activation_bits=activation_bits,
                  l1_weight_bits=weight_bits, leaf_register=registers)


def words(lanes, activation_bits, weights, seed):
    """Corners of activations and weights, all with all, and random words."""
    generator = random.Random(seed)
    top = (1 << activation_bits) - 1
    corners = [([x] * lanes, [[w] * lanes] * COLUMNS) for x in (0, 1, top) for w in (*weights[:2], 0, *weights[-2:])]
    return corners + [([generator.randint(0, top) for _ in range(lanes)],
                       [[generator.choice(weights) for _ in range(lanes)] for _ in range(COLUMNS)])
                      for _ in range(30)]


def run(array, given):
    """`sums` and, if there is one, `shared` for each word, a new word with new weights every cycle."""
    results = []

    async def bench(ctx):
        for n in range(len(given) + array.latency):
            x, weights = given[min(n, len(given) - 1)]
            ctx.set(array.activations, x)
            ctx.set(array.weights, [array.encode(column) for column in weights])
            if not array.latency:
                await ctx.delay(1e-9)
            if n >= array.latency:
                shared = ctx.get(array.shared) if hasattr(array, "shared") else None
                results.append(([ctx.get(total) for total in array.sums], shared))
            if array.latency:
                await ctx.tick()

    simulator = Simulator(array)
    if array.latency:
        simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return results


@pytest.mark.parametrize("gate_in_adder", [False, True])
@pytest.mark.parametrize(("lanes", "activation_bits", "weight_bits", "registers"), [
    (2, 4, 2, True), (4, 5, 3, True), (4, 4, 4, True), (8, 8, 8, True), (8, 8, 7, True), (4, 8, 5, True),
    (4, 8, 8, False),
])
@pytest.mark.parametrize("kind", [RowMultiplier, MergedMultiplier])
def test_sum_is_twice_the_product_with_shared_sum_and_a_constant_of_the_weights(
        kind, lanes, activation_bits, weight_bits, registers, gate_in_adder):
    array = kind(config(lanes, activation_bits, weight_bits, registers), gate_in_adder)
    given = words(lanes, activation_bits, range(-(1 << weight_bits - 1), 1 << weight_bits - 1), seed=1)
    # The constant is what comes for x = 0 with the same weights, in the cycle before.
    results = run(array, [word for x, weights in given for word in (([0] * lanes, weights), (x, weights))])
    for n, (x, weights) in enumerate(given):
        constants, (sums, shared) = results[2 * n][0], results[2 * n + 1]
        assert shared == sum(x)
        assert [total - constant - shared for total, constant in zip(sums, constants, strict=True)] == \
            [2 * sum(a * w for a, w in zip(x, column, strict=True)) for column in weights]


@pytest.mark.parametrize(("lanes", "activation_bits", "weight_bits", "registers"), [
    (2, 4, 2, True), (8, 8, 8, True), (4, 8, 5, False)])
def test_sum_of_gated_rows_is_the_product_of_offset_weights(lanes, activation_bits, weight_bits, registers):
    array = GatedMultiplier(config(lanes, activation_bits, weight_bits, registers))
    offset = 1 << weight_bits - 1
    given = words(lanes, activation_bits, range(-offset, offset), seed=2)
    assert run(array, given) == [([sum(a * (w + offset) for a, w in zip(x, column, strict=True)) for column in weights],
                                  sum(x)) for x, weights in given]


@pytest.mark.parametrize("registers", [False, True])
def test_sum_of_the_tools_multiplier_is_the_product(registers):
    array = ToolMultiplier(config(4, 8, 8, registers))
    given = words(4, 8, range(-128, 128), seed=3)
    assert run(array, given) == [([sum(a * w for a, w in zip(x, column, strict=True)) % (1 << array.sum_bits)
                                   for column in weights], None) for x, weights in given]


@pytest.mark.parametrize("registers", [False, True])
def test_sum_of_the_textbook_array_is_the_distance(registers):
    array = TextbookL1(config(4, 8, 6, registers))
    given = words(4, 8, range(64), seed=4)
    assert run(array, given) == [([sum(abs(a - w) for a, w in zip(x, column, strict=True)) for column in weights], None)
                                 for x, weights in given]


@pytest.mark.parametrize("kind", [RowMultiplier, MergedMultiplier, GatedMultiplier])
@pytest.mark.parametrize("gate_in_adder", [False, True])
def test_every_weight_has_a_code_of_its_own(kind, gate_in_adder):
    array = kind(config(4, 8, 5), gate_in_adder)
    codes = {tuple(array.encode([first, 0, second, -16])) for first in range(-16, 16) for second in range(-16, 16)}
    assert len(codes) == 32 * 32
    assert max(map(max, codes)) < 32
