import random
from math import floor

import pytest

from nomul.gen.guard import multiply_cells
from nomul.gen.spec.latency import MULTIPLIER
from nomul.hdl.serial_multiplier import SerialMultiplier
from nomul.hdl.sim import simulate, stream_get, stream_put

from .hardware import small_config


def run(values, multipliers, shift, *, bits=24, stalls=(0.0, 0.0)):
    """(half, floor) of each value and column; values go in as the block wants them."""
    dut, seen = SerialMultiplier(small_config(accumulator_bits=bits), len(multipliers)), []

    async def put(ctx):
        ctx.set(dut.magnitude, [abs(multiplier) for multiplier in multipliers])
        ctx.set(dut.negative, sum((multiplier < 0) << n for n, multiplier in enumerate(multipliers)))
        ctx.set(dut.shift, shift)
        given = [[~value if multiplier < 0 else value for value, multiplier in zip(row, multipliers, strict=True)]
                 for row in values]
        await stream_put(ctx, dut.i, given, stall=stalls[0], seed=1)

    async def get(ctx):
        for payload in await stream_get(ctx, dut.o, len(values), stall=stalls[1], seed=2):
            seen.append([(payload[n].half, payload[n].floor) for n in range(len(multipliers))])

    simulate(dut, put, get)
    return seen


def test_products_worked_by_hand():
    # 5·3 = 0b1111: by 4 it is 3, and the bit below is 1; -5·3 = -15: by 4 it is -4 (+ 1/4), and the bit below is 0.
    assert run([[5, -5, 5, -5]], [3, 3, -3, -3], 2) == [[(1, 3), (0, -4), (0, -4), (1, 3)]]


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.9, 0.0), (0.0, 0.9), (0.5, 0.9)])
@pytest.mark.parametrize("shift", [1, 7, 16, 40])
def test_products_are_exact(shift, stalls):
    dice, limit = random.Random(shift), min(1 << shift, 1 << 16) - 1
    multipliers = [limit, -limit, dice.randint(-limit, limit), 0]
    lowest, highest = -(1 << 23), (1 << 23) - 1
    values = [[value] * 4 for value in (lowest, -1, 0, 1, highest)]
    values += [[dice.randint(lowest, highest) for _ in range(4)] for _ in range(8)]
    exact = [[(floor(value * multiplier * 2 / 2**shift) % 2 if shift < 24 else value * multiplier >> shift - 1 & 1,
               value * multiplier >> shift) for value, multiplier in zip(row, multipliers, strict=True)]
             for row in values]
    assert run(values, multipliers, shift, stalls=stalls) == exact
    model = SerialMultiplier.model
    assert [[model(~value if multiplier < 0 else value, multiplier=multiplier, shift=shift)
             for value, multiplier in zip(row, multipliers, strict=True)] for row in values] == exact


@pytest.mark.parametrize("shift", [1, 9, 40])
def test_products_come_after_the_latency_and_stay_until_they_are_taken(shift):
    dut, seen = SerialMultiplier(small_config(), 2), []

    async def bench(ctx):
        ctx.set(dut.shift, shift)
        ctx.set(dut.i.valid, 1)
        for _ in range(shift + MULTIPLIER + 5):
            seen.append((ctx.get(dut.i.ready), ctx.get(dut.o.valid)))
            await ctx.tick()

    simulate(dut, bench)
    assert seen == [(1, 0)] + [(0, 0)] * (shift + MULTIPLIER - 1) + [(0, 1)] * 5


def test_serial_multiplier_has_no_multiplier():
    assert multiply_cells(SerialMultiplier(small_config(accumulator_bits=21), 3)) == []
