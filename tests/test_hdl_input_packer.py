import random

import numpy as np
import pytest

from nomul.hdl.input_packer import InputPacker
from nomul.hdl.sim import simulate

from .hardware import small_config


def pack(config, sends, channels, zero, gaps=0.0, seed=0):
    """Memory words that the packer writes when sent (address, byte) pairs, as {address: codes}, and when."""
    dut = InputPacker(config)
    dice = random.Random(seed)
    memory, sent_at, written_at = {}, [], []

    async def bench(ctx):
        ctx.set(dut.channels, channels)
        ctx.set(dut.zero, zero)
        for cycle, send in enumerate(stream(dice, sends, gaps)):
            if ctx.get(dut.write_enable):
                memory[ctx.get(dut.write_address)] = list(ctx.get(dut.write_data))
                written_at.append(cycle)
            ctx.set(dut.byte_valid, send is not None)
            if send is not None:
                ctx.set(dut.byte_address, send[0])
                ctx.set(dut.byte, send[1])
                sent_at.append(cycle)
            await ctx.tick()

    simulate(dut, bench)
    return memory, sent_at, written_at


def stream(dice, sends, gaps):
    for send in sends:
        while dice.random() < gaps:
            yield None
        yield send
    yield from (None, None, None)


def words(memory):
    assert sorted(memory) == list(range(len(memory)))
    return [memory[address] for address in range(len(memory))]


def test_pixels_of_five_channels_fill_two_words_of_four_lanes():
    image = [10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    expected = [[10, 11, 12, 13], [14, 99, 99, 99], [20, 21, 22, 23], [24, 99, 99, 99]]
    memory, _, _ = pack(small_config(), enumerate(image), channels=5, zero=99)
    assert words(memory) == expected
    assert InputPacker.model(small_config(), bytes(image), 5, 99).tolist() == expected


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize(("lanes", "channels"), [(4, 1), (4, 3), (4, 4), (4, 5), (4, 8), (2, 7), (16, 3), (16, 33)])
def test_hardware_equals_model_back_to_back_and_with_gaps(lanes, channels, gaps):
    config = small_config(lanes=lanes)
    image = np.random.default_rng(channels).integers(0, 256, 7 * channels, np.uint8).tobytes()
    memory, _, _ = pack(config, enumerate(image), channels, zero=7, gaps=gaps)
    assert words(memory) == InputPacker.model(config, image, channels, 7).tolist()


def test_a_word_is_written_in_the_cycle_after_its_last_byte():
    _, sent_at, written_at = pack(small_config(), enumerate(range(14)), channels=7, zero=0, gaps=0.4, seed=3)
    assert written_at == [sent_at[last] + 1 for last in (3, 6, 10, 13)]


def test_narrow_activations_take_the_low_bits():
    memory, _, _ = pack(small_config(activation_bits=3, l1_weight_bits=3), enumerate([7, 6, 5]), channels=3, zero=1)
    assert words(memory) == [[7, 6, 5, 1]]


@pytest.mark.parametrize("cut", [1, 3, 4, 6])
def test_byte_0_starts_a_new_image_wherever_the_last_one_stopped(cut):
    first, second = list(range(100, 112)), list(range(200, 212))
    memory, _, _ = pack(small_config(), [*enumerate(first[:cut]), *enumerate(second)], channels=6, zero=0)
    assert words(memory) == InputPacker.model(small_config(), bytes(second), 6, 0).tolist()


def test_an_image_that_starts_while_the_last_word_of_another_is_written_begins_at_address_0():
    memory, _, _ = pack(small_config(), [*enumerate([1, 2, 3]), *enumerate([4, 5, 6])], channels=1, zero=0)
    assert words(memory) == [[4, 0, 0, 0], [5, 0, 0, 0], [6, 0, 0, 0]]


@pytest.mark.parametrize(("start", "end"), [(0, 5), (3, 9), (5, 7), (4, 12)])
def test_a_piece_that_is_sent_twice_is_packed_once(start, end):
    image = list(enumerate(range(50, 62)))
    memory, _, _ = pack(small_config(), [*image[:end], *image[start:]], channels=6, zero=0)
    assert words(memory) == InputPacker.model(small_config(), bytes(range(50, 62)), 6, 0).tolist()
