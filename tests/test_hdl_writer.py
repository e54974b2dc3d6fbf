import random

import pytest

from nomul.hdl.sim import simulate
from nomul.hdl.writer import CodeWriter

from .hardware import descriptor, small_config


@pytest.mark.parametrize(("lanes", "columns"), [(4, 4), (8, 2), (2, 8)])
@pytest.mark.parametrize("channels", [1, 4, 8, 11])
def test_codes_land_in_the_lane_and_word_of_their_channel(lanes, columns, channels):
    config = small_config(lanes=lanes, columns=columns)
    pixels, base = 3, 5
    words = -(-channels // lanes)
    groups = -(-channels // columns)
    chance = random.Random(lanes * 100 + channels)
    codes = [[chance.randrange(256) for _ in range(groups * columns)] for _ in range(pixels)]
    dut = CodeWriter(config)
    memory = {}

    async def activations(ctx):
        while True:
            _, _, enable, address, word = await ctx.tick().sample(dut.write_enable, dut.write_address, dut.write_data)
            for lane in range(lanes):
                if enable >> lane & 1:
                    memory[address, lane] = word[lane]

    async def bench(ctx):
        ctx.set(dut.descriptor.as_value(), descriptor(output_base=base, output_pixel_step=words, zero_point=77))
        for group in range(groups):
            strobe = dut.next_group if group else dut.first
            ctx.set(strobe, 1)
            await ctx.tick()
            ctx.set(strobe, 0)
            for pixel in range(pixels):
                for _ in range(chance.randrange(3)):
                    await ctx.tick()
                ctx.set(dut.i.payload, codes[pixel][group * columns:(group + 1) * columns])
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)

    simulate(dut, bench, background=(activations,))
    assert memory == {(base + pixel * words + channel // lanes, channel % lanes):
                      codes[pixel][channel] if channel < groups * columns else 77
                      for pixel in range(pixels) for channel in range(words * lanes)}
