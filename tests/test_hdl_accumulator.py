import random

import pytest
from amaranth.hdl import signed

from nomul.gen.guard import multiply_cells
from nomul.hdl.accumulator import BlockAccumulator
from nomul.hdl.sim import simulate

from .hardware import small_config


def columns_of(view, count):
    return [view[n] for n in range(count)]


def run(config, sum_shape, accesses):
    """All values of both banks after `accesses`, one per cycle where they are not None."""
    dut, banks = BlockAccumulator(config, sum_shape), []

    async def bench(ctx):
        sums = None
        for access in accesses + [None] * dut.latency:
            ctx.set(dut.i_valid, access is not None)
            if sums is not None:
                ctx.set(dut.i_sums, sums)
            if access:
                *where, sums = access
                for port, value in zip((dut.i_bank, dut.i_pixel, dut.i_first), where, strict=True):
                    ctx.set(port, value)
            await ctx.tick()
        for bank in range(2):
            banks.append([])
            for pixel in range(config.block_pixels):
                ctx.set(dut.read, -1)
                ctx.set(dut.read_bank, bank)
                ctx.set(dut.read_pixel, [pixel] * config.columns)
                await ctx.tick()
                banks[-1].append(columns_of(ctx.get(dut.read_values), config.columns))

    simulate(dut, bench)
    assert banks == dut.model(filter(None, accesses))
    return banks


@pytest.mark.parametrize("distance", [1, 2, 3, 4])
def test_the_same_pixel_may_be_accessed_again_at_any_distance(distance):
    config = small_config(columns=2, block_pixels=4)
    accesses = []
    for n in range(5):
        accesses += [(0, 1, n == 0, [10**n, -n])] + [None] * (distance - 1)
    assert run(config, signed(18), accesses)[0][1] == [11111, -10]


def test_the_same_pixel_of_both_banks_are_two_values():
    config = small_config(columns=2, block_pixels=4)
    accesses = [(n % 2, 3, n < 2, [1 + n, -n]) for n in range(8)]
    banks = run(config, signed(8), accesses)
    assert (banks[0][3], banks[1][3]) == ([1 + 3 + 5 + 7, -12], [2 + 4 + 6 + 8, -16])


def test_first_forgets_even_the_sum_that_is_being_added():
    config = small_config(columns=2, block_pixels=4)
    assert run(config, signed(8), [(0, 2, True, [5, 5]), (0, 2, True, [7, -7]), (0, 2, False, [1, 1])])[0][2] == [8, -6]


def test_sums_wrap_at_the_accumulators_width():
    config = small_config(columns=2, block_pixels=2, accumulator_bits=12)
    accesses = [(1, 0, True, [2047, -2048]), (1, 0, False, [1, -1])]
    assert run(config, signed(13), accesses)[1][0] == [-2048, 2047]
    assert run(config, signed(13), [(0, 0, True, [4095, -4096])])[0][0] == [-1, 0]


@pytest.mark.parametrize(("pixels", "bits", "stall"), [(1, 12, 0.0), (2, 20, 0.3), (3, 28, 0.0), (5, 24, 0.5)])
def test_random_accesses_follow_the_model(pixels, bits, stall):
    config = small_config(columns=2, block_pixels=pixels, accumulator_bits=bits)
    dice = random.Random(pixels)
    accesses = [None if dice.random() < stall else
                (dice.randrange(2), dice.randrange(pixels), dice.random() < 0.1,
                 [dice.randrange(-(1 << 14), 1 << 14) for _ in range(2)]) for _ in range(200)]
    assert len({str(value) for bank in run(config, signed(15), accesses) for value in bank}) > 1


def test_a_bank_is_drained_at_full_rate_while_the_other_is_filled():
    config = small_config(columns=2, block_pixels=4)
    dut, dice = BlockAccumulator(config, signed(10)), random.Random(3)
    seen, accesses = [], []

    async def bench(ctx):
        for block in range(6):
            bank, block_accesses = block % 2, []
            for n in range(12):
                block_accesses.append((bank, n % 4, n < 4, [dice.randrange(-512, 512) for _ in range(2)]))
                ctx.set(dut.i_valid, 1)
                for port, value in zip((dut.i_bank, dut.i_pixel, dut.i_first), block_accesses[-1][:3], strict=True):
                    ctx.set(port, value)
                # The block before: the first address as early as `latency` allows.
                ctx.set(dut.read, -1)
                ctx.set(dut.read_bank, 1 - bank)
                ctx.set(dut.read_pixel, [min(max(n - dut.latency + 1, 0), 3)] * 2)
                await ctx.tick()
                ctx.set(dut.i_sums, block_accesses[-1][3])
                if block and dut.latency - 1 <= n < dut.latency + 3:
                    seen.append(columns_of(ctx.get(dut.read_values), 2))
                    expected = dut.model(accesses)[1 - bank][len(seen) % 4 - 1]
                    assert seen[-1] == expected
            accesses.extend(block_accesses)

    simulate(dut, bench)
    assert len(seen) == 20


def test_a_result_can_be_read_after_exactly_the_latency():
    config = small_config(columns=2, block_pixels=2)
    dut, seen = BlockAccumulator(config, signed(10)), []

    async def bench(ctx):
        ctx.set(dut.read, -1)
        ctx.set(dut.i_valid, 1)
        ctx.set(dut.i_first, 1)
        await ctx.tick()
        ctx.set(dut.i_valid, 0)
        ctx.set(dut.i_sums, [77, -77])
        for _ in range(dut.latency + 1):
            await ctx.tick()
            seen.append(columns_of(ctx.get(dut.read_values), 2))

    simulate(dut, bench)
    # After n ticks the address was given in cycle n - 1.
    assert seen == [[0, 0]] * (dut.latency - 1) + [[77, -77]] * 2


def test_what_was_read_stays_until_the_next_strobe():
    config = small_config(columns=2, block_pixels=2)
    dut, seen = BlockAccumulator(config, signed(10)), []

    async def bench(ctx):
        for pixel in range(2):
            ctx.set(dut.i_valid, 1)
            ctx.set(dut.i_first, 1)
            ctx.set(dut.i_pixel, pixel)
            await ctx.tick()
            ctx.set(dut.i_sums, [10 + pixel, -pixel])
        ctx.set(dut.i_valid, 0)
        await ctx.tick().repeat(dut.latency)
        ctx.set(dut.i_bank, 1)
        ctx.set(dut.i_valid, 1)         # the other bank goes on
        for pixel, read in ((0, 1), (1, 0), (1, 0), (1, 1), (0, 0)):
            ctx.set(dut.read_pixel, [pixel] * 2)
            ctx.set(dut.read, -read)
            await ctx.tick()
            seen.append(columns_of(ctx.get(dut.read_values), 2))

    simulate(dut, bench)
    assert seen == [[10, 0]] * 3 + [[11, -1]] * 2


def test_accumulator_has_no_multiplier():
    assert multiply_cells(BlockAccumulator(small_config(block_pixels=5), 13)) == []
