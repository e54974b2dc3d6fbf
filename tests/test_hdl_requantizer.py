import random
from fractions import Fraction
from math import floor

import pytest

from nomul.gen.guard import multiply_cells
from nomul.hdl.requantizer import Requantizer
from nomul.hdl.sim import simulate, stream_get, stream_put

from .hardware import small_config

LOWEST, HIGHEST = -(1 << 16), (1 << 16) - 1


def run(rows, *, bits=24, shift, biases, multipliers, zero_point=0, lower=LOWEST, upper=HIGHEST, stalls=(0.0, 0.0),
        requantizers=1):
    """Results of rows of accumulators, checked against the model."""
    columns = len(multipliers)
    dut, seen = Requantizer(small_config(columns=columns, accumulator_bits=bits,
                                        requantizers=requantizers)), []

    async def put(ctx):
        ctx.set(dut.bias, biases)
        ctx.set(dut.magnitude, [abs(multiplier) for multiplier in multipliers])
        ctx.set(dut.negative, sum((multiplier < 0) << n for n, multiplier in enumerate(multipliers)))
        for port, value in ((dut.shift, shift), (dut.zero_point, zero_point), (dut.lower, lower), (dut.upper, upper)):
            ctx.set(port, value)
        await stream_put(ctx, dut.i, rows, stall=stalls[0], seed=1)

    async def get(ctx):
        for payload in await stream_get(ctx, dut.o, len(rows), stall=stalls[1], seed=2):
            seen.append([payload[n] for n in range(columns)])

    simulate(dut, put, get)
    assert seen == [[dut.model(value, bias=bias, multiplier=multiplier, shift=shift, zero_point=zero_point,
                               lower=lower, upper=upper)
                     for value, bias, multiplier in zip(row, biases, multipliers, strict=True)] for row in rows]
    return seen


def rounded(value, multiplier, shift):
    """Rounding to nearest, halves up, in exact fractions."""
    return floor(Fraction(value * multiplier, 2**shift) + Fraction(1, 2))


def test_halves_are_rounded_up_for_both_signs():
    rows = [[-5, -5], [-4, -4], [-3, -3], [-2, -2], [-1, -1], [0, 0], [1, 1], [2, 2], [3, 3]]
    seen = run(rows, shift=1, biases=[0, 0], multipliers=[1, -1])
    assert [a for a, _ in seen] == [-2, -2, -1, -1, 0, 0, 1, 1, 2]
    assert [b for _, b in seen] == [3, 2, 2, 1, 1, 0, 0, -1, -1]


@pytest.mark.parametrize("shift", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("bits", [12, 24, 28])
def test_corners_are_exact(shift, bits):
    largest = min((1 << shift) - 1, (1 << 16) - 1)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    rows = [[value] * 4 for value in (low, low + 1, -1, 0, 1, high - 1, high)]
    multipliers = [largest, -largest, 1, -(largest // 2 + 1)]
    seen = run(rows, bits=bits, shift=shift, biases=[0] * 4, multipliers=multipliers)
    for row, results in zip(rows, seen, strict=True):
        exact = [rounded(value, multiplier, shift) for value, multiplier in zip(row, multipliers, strict=True)]
        assert results == [min(max(value, LOWEST), HIGHEST) for value in exact]


def test_the_largest_shift_keeps_its_rounding_bit():
    # 2^27 · -65535 / 2^40 = -7.99987..., and 2^24 · 32768 / 2^40 = 0.5 exactly
    assert run([[-(1 << 27), 1 << 24]], bits=28, shift=40, biases=[0, 0], multipliers=[65535, 32768]) == [[-8, 1]]
    assert run([[-(1 << 27), -(1 << 24)]], bits=28, shift=40, biases=[0, 0], multipliers=[-65535, 32768]) == [[8, 0]]


def test_bias_is_added_before_and_the_zero_point_after_the_product():
    # ((10 + 6)·3 + 2) >> 2 = 12; (-100 + 6)·3 / 4 = -70.5 → -70
    assert run([[10, -100]], shift=2, biases=[6, 6], multipliers=[3, 3], zero_point=100) == [[112, 30]]


def test_results_are_clamped_after_the_zero_point():
    rows = [[value, -value] for value in (0, 100, 110, 111, 1000)]
    seen = run(rows, shift=1, biases=[0, 0], multipliers=[1, 1], zero_point=200, lower=150, upper=255)
    assert seen == [[200, 200], [250, 150], [255, 150], [255, 150], [255, 150]]


@pytest.mark.parametrize("limit", [LOWEST, HIGHEST])
def test_extreme_zero_points_do_not_wrap(limit):
    rows = [[-2048, 2047], [2047, -2048]]
    seen = run(rows, bits=12, shift=1, biases=[0, 0], multipliers=[1, 1], zero_point=limit)
    for row, results in zip(rows, seen, strict=True):
        assert results == [min(max(limit + (value + 1) // 2, LOWEST), HIGHEST) for value in row]


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.5, 0.9)])
@pytest.mark.parametrize("requantizers", [1, 4])
def test_random_values_with_stalls(stalls, requantizers):
    dice = random.Random(f"{stalls}")
    for shift in (3, 19):
        bits, limit = 26, min(1 << shift, 1 << 16) - 1
        biases = [dice.randrange(-1000, 1000) for _ in range(4)]
        multipliers = [dice.randint(-limit, limit) for _ in range(4)]
        rows = [[dice.randrange(-(1 << 25) + 1000, (1 << 25) - 1000) >> dice.randrange(20) for _ in range(4)]
                for _ in range(20)]
        seen = run(rows, bits=bits, shift=shift, biases=biases, multipliers=multipliers, zero_point=3,
                   lower=-30000, upper=30000, stalls=stalls, requantizers=requantizers)
        for row, results in zip(rows, seen, strict=True):
            exact = [rounded(a + b, multiplier, shift) + 3
                     for a, b, multiplier in zip(row, biases, multipliers, strict=True)]
            assert results == [min(max(value, -30000), 30000) for value in exact]


@pytest.mark.parametrize("shift", [1, 7, 40])
@pytest.mark.parametrize("rows", [1, 2, 3, 32])
def test_a_row_takes_a_pixel_in_two_cycles_more_than_the_shift_and_rows_take_turns(shift, rows):
    dut = Requantizer(small_config(columns=2, requantizers=rows))
    entered, left = [], []

    async def bench(ctx):
        ctx.set(dut.shift, shift)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        for cycle in range(4 * shift + 20):
            if ctx.get(dut.i.ready):
                entered.append(cycle)
            if ctx.get(dut.o.valid):
                left.append(cycle)
            await ctx.tick()

    simulate(dut, bench)
    # Of rows that are done by turns: the first ones at once, those that follow when their row is idle again.
    expected = []
    for n in range(len(entered)):
        expected.append(max(expected[-1] + 1 if n else 0, expected[n - rows] + shift + 2 if n >= rows else 0))
    assert len(entered) > 4
    assert entered == expected
    assert len(left) > 2
    assert left == [cycle + dut.latency(shift) for cycle in entered][:len(left)]


def test_results_stay_until_they_are_taken_and_rows_behind_them_wait():
    dut, seen = Requantizer(small_config(columns=2, requantizers=2)), []
    rows = [[100 + n, -100 - n] for n in range(9)]

    async def put(ctx):
        for port, value in ((dut.shift, 4), (dut.magnitude, [9, 7]), (dut.upper, 1000), (dut.lower, -1000)):
            ctx.set(port, value)
        await stream_put(ctx, dut.i, rows)

    async def get(ctx):
        for _ in range(40):     # two rows, and a result in each register
            await ctx.tick()
        assert (ctx.get(dut.o.valid), ctx.get(dut.i.ready)) == (1, 0)
        for _ in range(10):
            payload = ctx.get(dut.o.payload)
            assert (ctx.get(dut.o.valid), payload[0], payload[1]) == (1, 56, -44)   # 900/16 = 56.25; -700/16 = -43.75
            await ctx.tick()
        for payload in await stream_get(ctx, dut.o, len(rows), stall=0.5, seed=5):
            seen.append([payload[0], payload[1]])

    simulate(dut, put, get)
    assert seen == [[rounded(a, 9, 4), rounded(b, 7, 4)] for a, b in rows]


def test_requantizer_has_no_multiplier():
    assert multiply_cells(Requantizer(small_config(accumulator_bits=21))) == []
