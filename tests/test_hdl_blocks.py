import pytest

from nomul.hdl.blocks import BlockCounter
from nomul.hdl.sim import simulate

from .hardware import descriptor, small_config


@pytest.mark.parametrize(("pixels", "groups", "block"), [(1, 1, 4), (4, 2, 4), (5, 3, 4), (64, 2, 16), (7, 1, 1)])
def test_blocks_cover_every_pixel_of_every_group_once(pixels, groups, block):
    expected = BlockCounter.model({"output_pixels": pixels, "groups": groups, "block": block})
    assert sum(size for _, size, _, _ in expected) == pixels * groups
    dut = BlockCounter(small_config(block_pixels=20))
    seen = []

    async def bench(ctx):
        ctx.set(dut.descriptor.as_value(), descriptor(output_pixels=pixels, groups=groups, block=block))
        await ctx.tick()
        ctx.set(dut.first, 1)
        await ctx.tick()
        ctx.set(dut.first, 0)
        ctx.set(dut.advance, 1)
        for _ in expected:
            seen.append((ctx.get(dut.group), ctx.get(dut.last_pixel) + 1, bool(ctx.get(dut.group_end)),
                         bool(ctx.get(dut.last))))
            assert ctx.get(dut.only_pixel) == (seen[-1][1] == 1)
            await ctx.tick()

    simulate(dut, bench)
    assert seen == expected


def test_model_gives_the_hand_worked_blocks_of_five_pixels_in_blocks_of_four():
    assert BlockCounter.model({"output_pixels": 5, "groups": 2, "block": 4}) == [
        (0, 4, False, False), (0, 1, True, False), (1, 4, False, False), (1, 1, True, True)]
