import itertools
import random

import numpy as np
import pytest

from nomul.gen.spec.program import ADDRESS_BITS
from nomul.hdl.input_packer import InputPacker
from nomul.hdl.sim import simulate

from .hardware import descriptor, small_config


def windows(height, width, channels, kernel=(1, 1), stride=1, padding=0, pad=0):
    """Descriptor fields of an image's windows, from the definition."""
    rows, columns = ((size + 2 * padding - taps) // stride + 1
                     for size, taps in zip((height, width), kernel, strict=True))
    return {"input_height": height, "input_width": width, "channel_words": channels, "kernel_height": kernel[0],
            "kernel_width": kernel[1], "stride_y": stride, "stride_x": stride,
            "padding_top": padding, "padding_left": padding,
            "pad_code": pad, "input_base": -padding * (width + 1) * channels % 2**ADDRESS_BITS,
            "tap_row_step": ((width - kernel[1]) * channels + 1) % 2**ADDRESS_BITS, "pixel_step": stride * channels,
            "row_step": stride * (width - columns + 1) * channels % 2**ADDRESS_BITS, "output_width": columns,
            "output_pixels": rows * columns}


def pack(config, sends, fields, gaps=0.0, seed=0, flush=False, stall=0.0, held=0):
    """What the packer writes when sent (address, byte) pairs: (address, codes), in order; and when the last came.

    It is kept from writing in a share `stall` of the cycles, and held for the first `held` ones.
    """
    dut = InputPacker(config)
    dice = random.Random(seed)
    written, ends = [], []
    count = itertools.count()

    async def cycle(ctx):
        ready, hold = dice.random() >= stall, next(count) < held
        ctx.set(dut.write_ready, ready)
        ctx.set(dut.hold, hold)
        if ctx.get(dut.write_enable) and ready:
            assert not hold
            written.append((ctx.get(dut.write_address), list(ctx.get(dut.write_data))))
        await ctx.tick()

    async def bench(ctx):
        ctx.set(dut.windows.as_value(), descriptor(**fields))
        await ctx.tick()
        for send in stream(dice, sends, gaps):
            ctx.set(dut.byte_valid, send is not None)
            if send is not None:
                ctx.set(dut.byte_address, send[0])
                ctx.set(dut.byte, send[1])
            await cycle(ctx)
        ctx.set(dut.byte_valid, 0)
        ctx.set(dut.flush, flush)
        cycles = 0
        while ctx.get(dut.busy) and cycles < 5000:
            await cycle(ctx)
            cycles += 1
        ends.append(cycles)

    simulate(dut, bench)
    return written, ends[0]


def stream(dice, sends, gaps):
    for send in sends:
        while dice.random() < gaps:
            yield None
        yield send


def words(written):
    """The last image's words; every address is written once."""
    start = max(n for n, (address, _) in enumerate(written) if address == 0)
    assert [address for address, _ in written[start:]] == list(range(len(written) - start))
    return [codes for _, codes in written[start:]]


def test_pixels_of_five_channels_fill_two_words_of_four_lanes():
    image = [10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    expected = [[10, 11, 12, 13], [14, 99, 99, 99], [20, 21, 22, 23], [24, 99, 99, 99]]
    fields = windows(1, 2, 5, pad=99)
    assert words(pack(small_config(), enumerate(image), fields)[0]) == expected
    assert InputPacker.model(small_config(), bytes(image), fields).tolist() == expected


def test_windows_of_two_channels_by_hand():
    # 2 × 3 pixels; windows of 2 × 2 with padding 1 and stride 2: rows at -1 and 1, columns at -1 and 1.
    image = [10, 11, 20, 21, 30, 31, 40, 41, 50, 51, 60, 61]
    expected = [[9, 9, 9, 9, 9, 9, 10, 11], [9, 9, 9, 9, 20, 21, 30, 31],
                [9, 9, 40, 41, 9, 9, 9, 9], [50, 51, 60, 61, 9, 9, 9, 9]]
    fields = windows(2, 3, 2, (2, 2), 2, 1, pad=9)
    written, _ = pack(small_config(lanes=8), enumerate(image), fields)
    assert words(written) == expected
    assert InputPacker.model(small_config(lanes=8), bytes(image), fields).tolist() == expected


@pytest.mark.parametrize(("gaps", "stall", "held"), [
    (0.0, 0.0, 0), (0.5, 0.0, 0), (0.95, 0.0, 0), (0.0, 0.7, 0), (0.5, 0.5, 30), (0.0, 0.3, 400)])
@pytest.mark.parametrize(("lanes", "shape", "kernel", "stride", "padding"), [
    (4, (3, 3, 1), (1, 1), 1, 0), (4, (2, 3, 8), (1, 1), 1, 0), (2, (3, 2, 7), (1, 1), 1, 0),
    (16, (5, 4, 3), (3, 3), 1, 1), (16, (5, 6, 1), (5, 3), 2, 2), (4, (4, 7, 2), (2, 4), 3, 0),
    (8, (4, 4, 3), (4, 4), 1, 0), (4, (2, 2, 1), (7, 7), 1, 3), (2, (6, 5, 3), (1, 2), 4, 1),
])
def test_hardware_equals_model_with_gaps_stalls_and_held(lanes, shape, kernel, stride, padding, gaps, stall, held):
    config = small_config(lanes=lanes)
    image = np.random.default_rng(lanes).integers(0, 256, np.prod(shape), np.uint8).tobytes()
    fields = windows(*shape, kernel, stride, padding, pad=7)
    written, _ = pack(config, enumerate(image), fields, gaps, seed=stride, stall=stall, held=held)
    assert words(written) == InputPacker.model(config, image, fields).tolist()


def test_one_tap_a_cycle_behind_the_bytes():
    fields = windows(6, 6, 3, (3, 3), 1, 1)
    _, cycles = pack(small_config(), enumerate(range(108)), fields)
    assert 36 * 27 - 108 < cycles < 36 * 27     # bytes come three times as fast as taps are read
    _, cycles = pack(small_config(), enumerate(range(108)), fields, gaps=0.95)
    assert 6 * 27 < cycles < 8 * 27             # two windows of the last but one row, and the last row


def test_narrow_activations_take_the_low_bits():
    written, _ = pack(small_config(activation_bits=3, l1_weight_bits=3), enumerate([7, 6, 13]), windows(1, 1, 3, pad=1))
    assert words(written) == [[7, 6, 5, 1]]


@pytest.mark.parametrize("cut", [1, 3, 4, 6, 12])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2)])
def test_byte_0_starts_a_new_image_wherever_the_last_one_stopped(cut, kernel):
    first, second, fields = list(range(100, 112)), list(range(200, 212)), windows(2, 2, 3, kernel)
    written, _ = pack(small_config(), [*enumerate(first[:cut]), *enumerate(second)], fields)
    assert words(written) == InputPacker.model(small_config(), bytes(second), fields).tolist()


@pytest.mark.parametrize(("start", "end"), [(0, 5), (3, 9), (5, 7), (4, 12)])
def test_a_piece_that_is_sent_twice_is_packed_once(start, end):
    image, fields = list(enumerate(range(50, 62))), windows(1, 2, 6)
    written, _ = pack(small_config(), [*image[:end], *image[start:]], fields)
    assert words(written) == InputPacker.model(small_config(), bytes(range(50, 62)), fields).tolist()


def test_an_image_that_is_given_up_leaves_nothing_behind():
    """Its windows would never end if others took their place: 3 columns are done, and 2 are asked for."""
    config = small_config()
    dut = InputPacker(config)
    old, new = windows(1, 9, 1, (1, 5)), windows(2, 2, 1, (1, 2))
    written = []

    async def send(ctx, codes):
        for address, code in enumerate(codes):
            ctx.set(dut.byte_valid, 1)
            ctx.set(dut.byte_address, address)
            ctx.set(dut.byte, code)
            await ctx.tick()
        ctx.set(dut.byte_valid, 0)

    async def bench(ctx):
        ctx.set(dut.windows.as_value(), descriptor(**old))
        ctx.set(dut.write_ready, 1)
        await ctx.tick()
        await send(ctx, [1, 2, 3])
        await ctx.tick().repeat(9)
        assert ctx.get(dut.busy)
        ctx.set(dut.clear, 1)
        ctx.set(dut.windows.as_value(), descriptor(**new))
        await ctx.tick()
        assert not ctx.get(dut.busy)
        ctx.set(dut.clear, 0)
        await send(ctx, [5, 6, 7, 8])
        while ctx.get(dut.busy):
            if ctx.get(dut.write_enable):
                written.append(list(ctx.get(dut.write_data)))
            await ctx.tick()

    simulate(dut, bench)
    assert written == InputPacker.model(config, bytes([5, 6, 7, 8]), new).tolist()


def test_bytes_that_never_come_are_awaited_until_the_flush():
    fields = windows(2, 2, 2, (2, 2))
    written, cycles = pack(small_config(), enumerate([1, 2, 3]), fields)
    assert (written, cycles) == ([], 5000)
    written, cycles = pack(small_config(), enumerate([1, 2, 3]), fields, flush=True)
    assert words(written) == [[1, 2, 3, 0], [0, 0, 0, 0]]
    assert cycles < 20


@pytest.mark.parametrize(("gaps", "stall", "held"), [(0.0, 0.0, 0), (0.5, 0.4, 0), (0.0, 0.3, 40)])
@pytest.mark.parametrize(("lanes", "shape"), [(4, (3, 4, 5)), (4, (8, 8, 1)), (2, (1, 5, 2)), (8, (1, 1, 20))])
def test_a_packer_without_windows_packs_pixels_as_the_model_says(lanes, shape, gaps, stall, held):
    config, fields = small_config(lanes=lanes, columns=2, pack_windows=False, image_bytes=64), windows(*shape, pad=9)
    image = [random.Random(7).randrange(256) for _ in range(np.prod(shape))]
    expected = InputPacker.model(config, bytes(image), fields)
    for flush, sent in ((False, image), (True, image[:-1])):
        written, _ = pack(config, list(enumerate(sent)) * 2, fields, gaps, 3, flush, stall, held)
        assert np.array_equal(words(written)[:len(expected) - flush], expected[:len(expected) - flush])
