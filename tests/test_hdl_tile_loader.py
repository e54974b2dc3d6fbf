import random

import pytest

from nomul.hdl.sim import simulate
from nomul.hdl.tile_loader import TileLoader

from .hardware import descriptor, small_config


@pytest.mark.parametrize(("pixels", "groups", "tiles", "channels"), [
    (1, 1, 1, 4), (3, 2, 1, 8), (9, 2, 3, 7), (16, 1, 5, 4), (2, 1, 6, 1), (9, 3, 2, 9), (1, 2, 2, 8)])
@pytest.mark.parametrize("hurry", [0.1, 1.0])
def test_tiles_arrive_in_order_and_again_for_every_block(pixels, groups, tiles, channels, hurry):
    config = small_config(block_pixels=8)
    base, columns = 7, config.columns
    loaded = [min(columns, channels - group * columns) for group in range(groups)]
    expected = [[base + sum(loaded[:group]) * tiles + tile * used + column for column in range(used)]
                for group, used in enumerate(loaded) for _ in range(-(-pixels // 8)) for tile in range(tiles)]
    dut = TileLoader(config)
    chance = random.Random(1)
    swapped, waits = [], []

    async def memory(ctx):
        while True:
            _, _, address = await ctx.tick().sample(dut.memory_address)
            ctx.set(dut.memory_data, address)

    async def registers(ctx):
        """The shadow registers, and what is swapped in two cycles after each `take`."""
        shadow, taken = {}, [0, 0]
        while True:
            _, _, take, load, column, word = await ctx.tick().sample(dut.take, dut.load, dut.load_column, dut.load_word)
            if taken.pop(0):
                swapped.append(dict(shadow))
            taken.append(take)
            if load:
                shadow[column] = word

    async def bench(ctx):
        ctx.set(dut.descriptor.as_value(), descriptor(output_pixels=pixels, groups=groups, tiles=tiles, block=8,
                                                      channels=channels, weight_base=base))
        await ctx.tick()
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for _ in expected:
            waited = 0
            while not ctx.get(dut.full) or chance.random() > hurry:
                await ctx.tick()
                waited += 1
            waits.append(waited)
            ctx.set(dut.take, 1)
            await ctx.tick()
            ctx.set(dut.take, 0)
        for _ in range(3 * columns):
            await ctx.tick()
            assert not ctx.get(dut.full)

    simulate(dut, bench, background=(memory, registers))
    assert [[tile[column] for column in range(len(words))]
            for tile, words in zip(swapped, expected, strict=True)] == expected
    if hurry == 1:      # `full` as many cycles after `take` as there are columns
        assert waits == [len(expected[0]), *(len(words) - 1 for words in expected[1:])]
