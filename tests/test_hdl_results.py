import numpy as np
import pytest
from amaranth.hdl import Fragment

from nomul.hdl.fabric import FabricPlatform
from nomul.hdl.results import ResultCollector
from nomul.hdl.sim import simulate, stream_put

from .hardware import small_config

#: Whose memories are not late, and whose are.
FABRICS = ["generic", "ecp5"]


def collect(config, layers, stall=0.0, fabric="generic"):
    """`(result words, TOP, busy cycles of the last group)` for each of `layers`: (groups of channels, count)."""
    dut = ResultCollector(config)
    seen = []

    async def bench(ctx):
        for groups, count in layers:
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            busy = 0
            for number, group in enumerate(np.asarray(groups).tolist()):
                ctx.set(dut.i_group, number)
                ctx.set(dut.count, count)
                await stream_put(ctx, dut.i, [group], stall=stall, seed=number)
                ctx.set(dut.i_group, 1023)      # both are taken with the payload
                ctx.set(dut.count, 4095)
            while ctx.get(dut.busy):
                await ctx.tick()
                busy += 1
            words = []
            for address in range(count):
                ctx.set(dut.read_address, 3 + address)
                await ctx.tick()
                word = ctx.get(dut.read_data)
                words.append(word - (word >> 15 << 16))
            seen.append((words, ctx.get(dut.top), busy))

    simulate(Fragment.get(dut, FabricPlatform(fabric)), bench)
    return seen


def stored(config, groups, count, **options):
    (words, top, _), = collect(config, [(groups, count)], **options)
    return words, top


def test_ten_results_of_three_groups_are_stored_in_order_and_the_largest_found():
    groups = [[-5, 3, 7, 2], [1, 0, 30, 4], [29, 8, 100, 101]]      # channels 10 and 11 do not exist
    expected = [-5, 3, 7, 2, 1, 0, 30, 4, 29, 8], 6
    assert stored(small_config(), groups, 10) == expected
    words, top = ResultCollector.model(np.array(groups), 10)
    assert (words.tolist(), top) == expected


@pytest.mark.parametrize("fabric", FABRICS)
@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("columns", "count"), [(2, 5), (4, 4), (4, 64), (8, 1), (8, 30), (64, 64)])
def test_hardware_equals_model(columns, count, stall, fabric):
    rng = np.random.default_rng(count)
    groups = rng.integers(-32768, 32768, (-(-count // columns), columns))
    words, top = ResultCollector.model(groups, count)
    config = small_config(columns=columns, result_words=64)
    assert stored(config, groups, count, stall=stall, fabric=fabric) == (words.tolist(), top)


def test_the_lowest_index_wins_ties_within_and_across_groups():
    assert stored(small_config(), [[1, 9, 9, 2], [9, 1, 9, 9]], 8)[1] == 1


@pytest.mark.parametrize("value", [-32768, -1, 0, 32767])
def test_equal_results_have_index_0_on_top_whatever_their_value(value):
    assert stored(small_config(), [[value] * 4], 4) == ([value] * 4, 0)


def test_the_extremes_compare_as_signed_numbers():
    assert stored(small_config(), [[-32768, -1, 32767, 0]], 4)[1] == 2
    assert stored(small_config(), [[-32768, -32768, -32767, -32768]], 4)[1] == 2


def test_clear_forgets_the_largest_of_the_run_before():
    (_, first, _), (words, second, _) = collect(small_config(), [([[1, 2, 3, 900]], 4), ([[-9, -8, -9, -9]], 3)])
    assert (first, second, words) == (3, 1, [-9, -8, -9])


def test_channels_beyond_the_count_do_not_overwrite_result_words():
    (before, _, _), (after, _, _) = collect(small_config(), [([[1, 2, 3, 4]], 4), ([[5, 6, 7, 8]], 2)])
    assert (before, after) == ([1, 2, 3, 4], [5, 6])
    (_, _, _), (_, _, _), (words, _, _) = collect(
        small_config(), [([[1, 2, 3, 4]], 4), ([[5, 6, 7, 8]], 2), (np.zeros((0, 4), int), 4)])
    assert words == [5, 6, 3, 4]


@pytest.mark.parametrize("fabric", FABRICS)
@pytest.mark.parametrize(("count", "cycles"), [(4, 4), (1, 2), (3, 4), (64, 4)])
def test_storing_takes_a_cycle_a_channel_and_ends_early_beyond_the_count(count, cycles, fabric):
    assert collect(small_config(), [([[1, 2, 3, 4]], count)], fabric=fabric)[0][2] == cycles


def test_a_group_is_not_taken_while_another_is_stored():
    dut = ResultCollector(small_config())
    ready = []

    async def bench(ctx):
        ctx.set(dut.count, 64)
        ctx.set(dut.i.valid, 1)
        for _ in range(10):
            ready.append((ctx.get(dut.i.ready), ctx.get(dut.busy)))
            await ctx.tick()

    simulate(dut, bench)
    assert ready == [(1, 0), *[(0, 1)] * 4] * 2
