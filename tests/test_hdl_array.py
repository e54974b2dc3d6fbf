# amaranth: UnusedElaboratable=no
import random

import numpy as np
import pytest
from amaranth.hdl import unsigned

from nomul.gen.guard import multiply_cells
from nomul.gen.spec.operators import Operator, decode, fold
from nomul.hdl.array import ProcessingArray, sum_range
from nomul.hdl.sim import simulate

from .hardware import small_config

CONFIGS = [
    small_config(operators=operators, lanes=lanes, columns=columns, activation_bits=activation_bits,
                 l1_weight_bits=l1_weight_bits, shift_exponents=exponents, tree_levels_per_register=levels)
    for operators, lanes, columns, activation_bits, l1_weight_bits, exponents, levels in (
        (("l1", "shift", "sign"), 4, 4, 8, 8, 8, 1),
        (("l1",), 8, 2, 2, 2, 8, 2),
        (("shift",), 2, 2, 3, 3, 2, 1),
        (("sign",), 4, 2, 5, 5, 8, 0),
        (("l1", "shift"), 4, 2, 8, 4, 8, 2),
        (("l1", "sign"), 2, 4, 4, 4, 8, 0),
        (("shift", "sign"), 8, 2, 6, 2, 4, 1),
    )
]


def words_for(operator, config, dice, count):
    """Random (activations, weights of the columns), with the extremes of both first."""
    top, codes = (1 << config.activation_bits) - 1, (1 << config.operator_weight_bits(operator.key)) - 1

    def word(x, code):
        return ([x() for _ in range(config.lanes)],
                [[code() for _ in range(config.lanes)] for _ in range(config.columns)])

    corners = [word(lambda x=x: x, lambda code=code: code) for x in (0, top) for code in (0, codes, codes - codes // 4)]
    return corners + [word(lambda: dice.randint(0, top), lambda: dice.randint(0, codes)) for _ in range(count)]


def expected(operator, config, activations, codes):
    """The columns' sums from the definition of the operator, less what is folded into the bias."""
    weights = decode(operator, np.array(codes), config)
    x = np.array(activations)
    exact = -np.abs(x - weights) if operator is Operator.L1 else x * weights
    return (exact.sum(axis=1) - fold(operator, weights)).tolist()


def run(config, operator, words, gaps):
    """Tags and sums that come out, with the cycle; `words` enter in the cycles that are no gaps."""
    dut, seen, entered = ProcessingArray(config, unsigned(8)), [], []

    async def bench(ctx):
        ctx.set(dut.i_operator, operator)
        waiting = list(enumerate(words))
        next_weights = None
        cycle = 0
        while waiting or cycle <= entered[-1] + dut.latency + 1:
            if next_weights is not None:
                ctx.set(dut.weights, next_weights)
            gap = not waiting or gaps.random() < 0.3
            ctx.set(dut.i_valid, not gap)
            if not gap:
                tag, (activations, next_weights) = waiting.pop(0)
                ctx.set(dut.i_tag, tag)
                ctx.set(dut.i_activations, activations)
                entered.append(cycle)
            if ctx.get(dut.o_valid):
                sums = ctx.get(dut.o_sums)
                seen.append((cycle, ctx.get(dut.o_tag), [sums[n] for n in range(config.columns)]))
            await ctx.tick()
            cycle += 1

    simulate(dut, bench)
    assert [cycle for cycle, _, _ in seen] == [cycle + dut.latency for cycle in entered]
    return [(tag, sums) for _, tag, sums in seen]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: "-".join(config.operators))
def test_columns_add_up_every_operator_with_new_weights_each_cycle(config):
    for key in config.operators:
        operator, dice = Operator.from_key(key), random.Random(key)
        words = words_for(operator, config, dice, 30)
        golden = [expected(operator, config, *word) for word in words]
        model = ProcessingArray(config, unsigned(8)).model
        assert [model(operator, *word) for word in words] == golden
        assert run(config, operator, words, dice) == list(enumerate(golden))


def test_latency_is_three_and_the_registers_of_the_tree():
    for lanes, levels, latency in ((2, 0, 3), (2, 1, 4), (8, 1, 6), (8, 2, 4), (64, 2, 6)):
        config = small_config(lanes=lanes, tree_levels_per_register=levels, frame_bytes=128)
        assert ProcessingArray(config, 1).latency == latency


def test_sum_width_is_just_enough():
    def bits(**fields):
        return ProcessingArray(small_config(**fields), 1).sum_bits

    # -4·255 .. 4·255; -4·32641 .. 4·32640; -4·256 .. 4·255; -2·3 .. 2·3
    assert bits(operators=("l1",)) == 11
    assert bits(operators=("shift",)) == 18
    assert bits(operators=("sign",)) == 11
    assert bits(operators=("l1", "sign", "shift")) == 18
    assert bits(operators=("l1",), lanes=2, activation_bits=2, l1_weight_bits=2) == 4


def test_the_range_of_sums_is_reached_and_not_exceeded():
    config = small_config(lanes=2, columns=2, activation_bits=3, l1_weight_bits=2, shift_exponents=2)
    for operator in Operator:
        low, high = sum_range(operator, config)
        codes = range(1 << config.operator_weight_bits(operator.key))
        one_lane = [expected(operator, config, [x], [[code]])[0] for x in range(8) for code in codes]
        assert (2 * min(one_lane), 2 * max(one_lane)) == (low, high)


def test_array_has_no_multiplier():
    for config in CONFIGS:
        assert multiply_cells(ProcessingArray(config, unsigned(5))) == []


@pytest.mark.parametrize("operator", [Operator.L1, Operator.SHIFT])
def test_nothing_moves_while_nothing_is_valid(operator):
    config = small_config(operators=("l1", "shift"))
    dut, dice, seen = ProcessingArray(config, unsigned(1)), random.Random(5), []

    async def bench(ctx):
        ctx.set(dut.i_operator, operator)
        for cycle in range(4 * dut.latency):
            ctx.set(dut.i_valid, cycle == 0)
            ctx.set(dut.i_activations, [dice.randrange(1, 256) for _ in range(config.lanes)])
            ctx.set(dut.weights, [[dice.randrange(256) for _ in range(config.lanes)] for _ in range(config.columns)])
            sums = ctx.get(dut.o_sums)
            seen.append([sums[n] for n in range(config.columns)])
            await ctx.tick()

    simulate(dut, bench)
    first, rest = seen[dut.latency], seen[dut.latency:]
    assert any(first)
    assert rest == [first] * len(rest)
