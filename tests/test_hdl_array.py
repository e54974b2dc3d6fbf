# amaranth: UnusedElaboratable=no
import random

import numpy as np
import pytest
from amaranth.hdl import unsigned

from nomul.gen.guard import multiply_cells
from nomul.gen.spec.operators import Operator, decode, encode, fold, foreign_weights, own_lane_constant
from nomul.hdl.array import ProcessingArray
from nomul.hdl.sim import simulate

from .hardware import small_config

CONFIGS = [
    small_config(operators=operators, lanes=lanes, columns=columns, activation_bits=activation_bits,
                 l1_weight_bits=l1_weight_bits, shift_exponents=exponents, tree_levels_per_register=levels,
                 leaf_register=levels != 0, **dict.fromkeys(forms, True))
    for forms in ((), ("unified",), ("l1_minimum",))
    for operators, lanes, columns, activation_bits, l1_weight_bits, exponents, levels in (
        (("l1", "shift", "sign"), 4, 4, 8, 8, 8, 1),
        (("l1",), 8, 2, 2, 2, 8, 2),
        (("shift",), 2, 2, 3, 3, 2, 1),
        (("sign",), 4, 2, 5, 5, 8, 0),
        (("l1", "shift"), 4, 2, 8, 4, 8, 2),
        (("l1", "sign"), 2, 4, 4, 4, 8, 0),
        (("shift", "sign"), 8, 2, 6, 2, 4, 1),
    )
    if forms != ("unified",) or {"l1", "sign"} <= set(operators)
]


def weight_codes(operator, config):
    """Every code of the operator, the extremes first."""
    largest = 1 << config.shift_exponents - 1
    weights = {Operator.L1: [0, (1 << config.l1_weight_bits) - 1, *range(1, (1 << config.l1_weight_bits) - 1)],
               Operator.SHIFT: [-largest, largest, 0, *(s << p for p in range(config.exponent_bits) for s in (1, -1))],
               Operator.SIGN: [-1, 1] if config.unified else [-1, 1, 0]}[operator]
    return encode(operator, np.array(weights), config).tolist()


def words_for(operator, config, dice, count):
    """Random (activations, weights of the columns), with the extremes of both first."""
    top, codes = (1 << config.activation_bits) - 1, weight_codes(operator, config)

    def word(x, code):
        return ([x() for _ in range(config.lanes)],
                [[code() for _ in range(config.lanes)] for _ in range(config.columns)])

    corners = [word(lambda x=x: x, lambda code=code: code) for x in (0, top) for code in codes[:3]]
    return corners + [word(lambda: dice.randint(0, top), lambda: dice.choice(codes)) for _ in range(count)]


def expected(operator, config, activations, codes):
    """The columns' sums from the definition of the operator, less what is folded into the bias."""
    weights = decode(operator, np.array(codes), config)
    x = np.array(activations)
    exact = -np.abs(x - weights) if operator is Operator.L1 else x * weights
    return (exact.sum(axis=1) - fold(operator, weights, config)).tolist()


def run(config, operator, words, gaps, *, own_lane=False):
    """Tags and sums that come out, with the cycle; `words` enter in the cycles that are no gaps."""
    dut, seen, entered = ProcessingArray(config, unsigned(8)), [], []

    async def bench(ctx):
        ctx.set(dut.i_operator, operator)
        if own_lane:
            ctx.set(dut.i_own_lane, 1)
        waiting = list(enumerate(words))
        next_weights = due = None
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
            if due is not None:
                sums = ctx.get(dut.o_sums)
                seen.append((cycle, due, [sums[n] for n in range(config.columns)]))
            due = ctx.get(dut.o_tag) if ctx.get(dut.o_valid) else None      # in the next cycle
            await ctx.tick()
            cycle += 1

    simulate(dut, bench)
    assert [cycle for cycle, _, _ in seen] == [cycle + dut.latency for cycle in entered]
    return [(tag, sums) for _, tag, sums in seen]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: "-".join(config.operators) + "-unified" * config.unified
                         + "-minimum" * config.l1_minimum)
def test_columns_add_up_every_operator_with_new_weights_each_cycle(config):
    for key in config.operators:
        operator, dice = Operator.from_key(key), random.Random(key)
        words = words_for(operator, config, dice, 30)
        golden = [expected(operator, config, *word) for word in words]
        model = ProcessingArray(config, unsigned(8)).model
        assert [model(operator, *word) for word in words] == golden
        assert run(config, operator, words, dice) == list(enumerate(golden))


@pytest.mark.parametrize("fields", [
    {}, {"tree_levels_per_register": 0}, {"leaf_register": False}, {"l1_minimum": True}, {"lanes": 8, "columns": 8},
    {"unified": True, "operators": ("l1", "sign")}], ids=str)
def test_column_n_gives_the_distance_of_lane_n(fields):
    config = small_config(**({"operators": ("l1", "shift")} | fields), depthwise_l1=True)
    for key in set(config.operators) - {"shift"}:
        operator, dice = Operator.from_key(key), random.Random(key)
        foreign, _ = encode(operator, np.array(foreign_weights(operator, config)), config).tolist()
        words = [(activations, [[code if lane == n else foreign for lane, code in enumerate(column)]
                                for n, column in enumerate(columns)])
                 for activations, columns in words_for(operator, config, dice, 30)]
        golden = []
        for activations, columns in words:
            weights = decode(operator, np.array(columns), config)
            x, own = np.array(activations), weights.diagonal()
            exact = -abs(x - own) if operator is Operator.L1 else x * own
            others = (config.lanes - 1) * own_lane_constant(operator, config)
            golden.append((exact + others - fold(operator, weights, config)).tolist())
        model = ProcessingArray(config, unsigned(8)).model
        assert [model(operator, *word, own_lane=True) for word in words] == golden
        assert run(config, operator, words, dice, own_lane=True) == list(enumerate(golden))
        # And all lanes, as ever.
        words = words_for(operator, config, dice, 5)
        golden = [expected(operator, config, *word) for word in words]
        assert run(config, operator, words, dice) == list(enumerate(golden))


def test_latency_is_two_and_the_registers_of_leaves_and_tree():
    for lanes, levels, leaf_register, latency in ((2, 0, True, 3), (2, 1, True, 4), (8, 1, True, 6), (8, 2, True, 4),
                                                  (64, 2, True, 6), (8, 0, False, 2), (8, 1, False, 5)):
        config = small_config(lanes=lanes, tree_levels_per_register=levels, leaf_register=leaf_register,
                              frame_bytes=128)
        assert ProcessingArray(config, 1).latency == latency


def test_sum_width_is_just_enough():
    def bits(**fields):
        return ProcessingArray(small_config(**fields), 1).sum_bits

    # largest sums: 4·(255 + 255); 4·(2^15 - 1); 4·255; 2·(3 + 3)
    assert bits(operators=("l1",)) == 11
    assert bits(operators=("shift",)) == 17
    assert bits(operators=("sign",)) == 10
    assert bits(operators=("l1", "sign", "shift")) == 17
    assert bits(operators=("l1",), lanes=2, activation_bits=2, l1_weight_bits=2) == 4


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
