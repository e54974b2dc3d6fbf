import random

import pytest

from nomul.hdl.sim import simulate
from nomul.hdl.tile_loader import TileLoader

from .hardware import descriptor, small_config


@pytest.mark.parametrize(("pixels", "groups", "tiles"), [(1, 1, 1), (3, 2, 1), (9, 2, 3), (16, 1, 5)])
@pytest.mark.parametrize("hurry", [0.1, 1.0])
def test_tiles_arrive_in_order_and_again_for_every_block(pixels, groups, tiles, hurry):
    config = small_config(block_pixels=8)
    base, columns = 7, config.columns
    dut = TileLoader(config)
    chance = random.Random(1)
    shadow, tiles_seen, fullness = {}, [], []

    async def memory(ctx):
        while True:
            _, _, address = await ctx.tick().sample(dut.memory_address)
            ctx.set(dut.memory_data, address)

    async def registers(ctx):
        while True:
            _, _, load, column, word = await ctx.tick().sample(dut.load, dut.load_column, dut.load_word)
            if load:
                shadow[column] = word

    async def bench(ctx):
        ctx.set(dut.descriptor.as_value(), descriptor(output_pixels=pixels, groups=groups, tiles=tiles, block=8,
                                                      weight_base=base))
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        blocks = -(-pixels // 8)
        for _ in range(groups * blocks * tiles):
            waited = 0
            while not ctx.get(dut.full) or chance.random() > hurry:
                await ctx.tick()
                waited += 1
            fullness.append(waited)
            ctx.set(dut.take, 1)
            await ctx.tick()
            ctx.set(dut.take, 0)
            await ctx.tick()
            tiles_seen.append([shadow[column] for column in range(columns)])    # what a swap copies now
        await ctx.tick().repeat(3 * columns)
        assert not ctx.get(dut.full)

    simulate(dut, bench, background=(memory, registers))
    blocks = -(-pixels // 8)
    assert tiles_seen == [[base + (group * tiles + tile) * columns + column for column in range(columns)]
                          for group in range(groups) for _ in range(blocks) for tile in range(tiles)]
    if hurry == 1:
        assert max(fullness[1:], default=0) <= columns
