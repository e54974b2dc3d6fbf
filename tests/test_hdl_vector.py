import numpy as np
import pytest

from nomul.gen.spec.latency import vector_latency
from nomul.gen.spec.program import FIELDS, Mode, Opcode
from nomul.hdl.sim import simulate
from nomul.hdl.vector import VectorEngine

from .hardware import descriptor, small_config

ANYTHING_IN_MAX = {"two_operands": 1, "shift": 31, "left_shift": 15, "offset": -2**31, "lower": 3, "upper": 4}


def run(config, layers, memory):
    """Memory and busy cycles after `layers`, started one right after the other."""
    dut = VectorEngine(config)
    memory, cycles = memory.copy(), []
    garbage = np.random.default_rng(0)

    async def bench(ctx):
        for layer in layers:
            ctx.set(dut.descriptor.as_value(), descriptor(**layer))
            await ctx.tick()
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            count = 0
            while ctx.get(dut.busy):
                address = ctx.get(dut.read_address)
                word = memory[address].tolist() if address < len(memory) \
                    else garbage.integers(0, 2**config.activation_bits, config.lanes).tolist()
                if ctx.get(dut.write_enable):
                    memory[ctx.get(dut.write_address)] = list(ctx.get(dut.write_data))
                await ctx.tick()
                ctx.set(dut.read_data, word)
                count += 1
            cycles.append(count)
            assert not ctx.get(dut.write_enable)

    simulate(dut, bench)
    return memory, cycles


def random_memory(config, seed=0):
    return np.random.default_rng(seed).integers(0, 2**config.activation_bits, (config.activation_words, config.lanes))


def complete(layer):
    return {field.name: 0 for field in FIELDS} | layer


def check(config, layer, memory):
    """Runs the layer on hardware and model, which must agree, in time; returns the memory."""
    expected = VectorEngine.model(config, complete(layer), memory)
    after, (cycles,) = run(config, [layer], memory)
    assert np.array_equal(after, expected)
    taps = layer["kernel_height"] * layer["kernel_width"] \
        + (layer["mode"] == Mode.ADD and layer.get("two_operands", 0))
    assert cycles == layer["groups"] * layer["output_pixels"] * taps + vector_latency(config)
    return after


def window_layer(shape, kernel, stride=1, padding=(0, 0), output=None, base=0, output_base=0, **fields):
    """A descriptor that slides a window over a map of `shape` (height, width, words) at `base`."""
    height, width, words = shape
    top, left = padding
    rows, columns = output or (
        (height + 2 * top - kernel[0]) // stride + 1, (width + 2 * left - kernel[1]) // stride + 1)
    return {
        "opcode": Opcode.VECTOR, "mode": Mode.MAX, "stride_y": stride, "stride_x": stride,
        "padding_top": top, "padding_left": left,
        "kernel_height": kernel[0], "kernel_width": kernel[1], "input_height": height, "input_width": width,
        "channel_words": words, "tap_step": words, "input_base": (base - (top * width + left) * words) % 2**20,
        "tap_row_step": (width - kernel[1] + 1) * words % 2**20, "pixel_step": stride * words,
        "row_step": (stride * width - (columns - 1) * stride) * words % 2**20,
        "output_width": columns, "output_pixels": rows * columns, "output_base": output_base,
        "output_pixel_step": words, "output_row_step": fields.get("output_pixel_step", words), "groups": words,
    } | fields


def pooled(tensor, kernel, stride, padding, pad_code, reduce):
    """Pooling of (height, width, channels) by the book: pad, cut windows, reduce."""
    top, left = padding
    padded = np.pad(tensor, ((top, top), (left, left), (0, 0)), constant_values=pad_code)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(0, 1))[::stride, ::stride]
    return reduce(windows.astype(np.int64), axis=(3, 4))


def tensor_at(memory, base, shape):
    height, width, words = shape
    return memory[base:base + height * width * words].reshape(height, width, -1)


CONFIG = small_config(vector_bits=37)       # for every descriptor
POOLINGS = [    # map, kernel, stride, padding
    ((4, 4, 1), (2, 2), 2, (0, 0)),
    ((5, 4, 2), (3, 3), 2, (1, 1)),
    ((3, 5, 1), (2, 3), 1, (1, 2)),
    ((6, 3, 2), (3, 1), 3, (0, 0)),
    ((1, 1, 1), (3, 3), 1, (1, 1)),
    ((1, 1, 3), (1, 1), 1, (0, 0)),
    ((2, 3, 1), (2, 2), 2, (2, 3)),     # windows that lie in the padding with all their taps
    ((4, 4, 2), (4, 4), 1, (0, 0)),     # global
]


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), POOLINGS)
def test_max_equals_pooling_of_the_padded_map(shape, kernel, stride, padding):
    memory = random_memory(CONFIG)
    layer = window_layer(shape, kernel, stride, padding, base=3, output_base=60, pad_code=200)
    after = check(CONFIG, layer, memory)
    expected = pooled(tensor_at(memory, 3, shape), kernel, stride, padding, 200, np.max)
    assert np.array_equal(tensor_at(after, 60, (*expected.shape[:2], shape[2])), expected)


@pytest.mark.parametrize(("shape", "kernel", "stride", "padding"), POOLINGS)
def test_add_with_rounding_is_an_average_of_the_padded_map(shape, kernel, stride, padding):
    memory = random_memory(CONFIG)
    layer = window_layer(shape, kernel, stride, padding, base=3, output_base=60, pad_code=9,
                         mode=Mode.ADD, offset=-40 + 4, left_shift=1, shift=3, lower=17, upper=250)
    after = check(CONFIG, layer, memory)
    total = pooled(tensor_at(memory, 3, shape), kernel, stride, padding, 9, np.sum)
    expected = np.clip(np.floor((2 * total - 36) / 8), 17, 250).astype(int)
    assert np.array_equal(tensor_at(after, 60, (*expected.shape[:2], shape[2])), expected)


@pytest.mark.parametrize("second_base", [40, 80])
def test_residual_adds_two_maps_also_in_the_place_of_the_second(second_base):
    memory = random_memory(CONFIG)
    shape = (3, 4, 2)
    layer = window_layer(shape, (1, 1), base=1, output_base=80, mode=Mode.ADD, two_operands=1,
                         second_base=second_base, left_shift=2, second_left_shift=3, offset=8 - 1000, shift=4,
                         upper=255)
    after = check(CONFIG, layer, memory)
    total = 4 * tensor_at(memory, 1, shape) + 8 * tensor_at(memory, second_base, shape) - 992
    assert np.array_equal(tensor_at(after, 80, shape), np.clip(np.floor(total / 16), 0, 255))


def test_a_second_operand_follows_a_window_of_several_taps_also_in_the_padding():
    memory = random_memory(CONFIG)
    layer = window_layer((3, 3, 3), (2, 2), 2, (1, 1), base=0, output_base=90, mode=Mode.ADD, two_operands=1,
                         second_base=50, shift=3, second_left_shift=2, upper=255, pad_code=30)
    after = check(CONFIG, layer, memory)
    total = pooled(tensor_at(memory, 0, (3, 3, 3)), (2, 2), 2, (1, 1), 30, np.sum) \
        + 4 * tensor_at(memory, 50, (2, 2, 3))
    assert np.array_equal(tensor_at(after, 90, (2, 2, 3)), total // 8)


def test_the_padding_of_the_widest_map_is_outside():
    memory = random_memory(CONFIG)
    layer = window_layer((1, 2047, 1), (1, 1), padding=(0, 15), output=(1, 17), output_base=20, pad_code=99)
    after = check(CONFIG, layer, memory)
    assert np.array_equal(after[20:37], [[99] * CONFIG.lanes] * 15 + memory[:2].tolist())


@pytest.mark.parametrize("columns", [1, 100])
def test_windows_at_the_far_edge_of_the_largest_map_are_inside(columns):
    memory = random_memory(CONFIG)
    layer = window_layer((2047, 2047, 1), (1, 1), stride=15, output=(100 // columns, columns), output_base=20,
                         pixel_step=0, row_step=0, pad_code=99)     # so that all windows read word 0
    assert np.array_equal(check(CONFIG, layer, memory)[20:120], [memory[0]] * 100)


def test_max_has_no_second_operand_shift_offset_or_limits():
    memory = random_memory(CONFIG)
    layer = window_layer((4, 4, 1), (2, 2), 2, base=0, output_base=90)
    assert np.array_equal(check(CONFIG, layer | ANYTHING_IN_MAX, memory), check(CONFIG, layer, memory))


def test_only_the_channel_words_asked_for_are_written():
    memory = random_memory(CONFIG)
    layer = window_layer((2, 2, 3), (1, 1), base=0, output_base=40, groups=2, output_pixel_step=5)
    after = check(CONFIG, layer, memory)
    changed = np.flatnonzero((after != memory).any(axis=1))
    assert changed.tolist() == [40, 41, 45, 46, 50, 51, 55, 56]


def test_rows_of_the_output_may_lie_apart_so_that_four_copies_double_a_map():
    memory = random_memory(CONFIG)
    shape = (2, 3, 2)
    expected = tensor_at(memory, 1, shape).repeat(2, axis=0).repeat(2, axis=1)
    after = memory
    for row, column in np.ndindex(2, 2):
        after = check(CONFIG, window_layer(shape, (1, 1), base=1, output_base=40 + (row * 6 + column) * 2,
                                           output_pixel_step=4, output_row_step=(2 * 6 - 4) * 2), after)
    assert np.array_equal(tensor_at(after, 40, (4, 6, 2)), expected)


def test_the_largest_window_with_the_largest_codes_does_not_wrap():
    memory = np.full((CONFIG.activation_words, CONFIG.lanes), 255)
    layer = window_layer((1, 1, 1), (63, 63), padding=(15, 15), output=(1, 1), output_base=1, pad_code=255,
                         mode=Mode.ADD, offset=2**31 - 1, left_shift=15, shift=31, upper=255)
    # (2^31 - 1 + 63·63·255·2^15) / 2^31 = 16.4
    assert check(CONFIG, layer, memory)[1].tolist() == [16] * CONFIG.lanes


@pytest.mark.parametrize(("offset", "lower", "upper", "code"), [
    (-2**31, 0, 255, 0), (-2**31, 255, 255, 255), (2**31 - 1, 0, 255, 255), (2**31 - 1, 0, 0, 0), (100, 3, 90, 90),
    (-101, 3, 90, 3),
])
def test_sums_beyond_the_limits_are_clamped(offset, lower, upper, code):
    memory = np.zeros((CONFIG.activation_words, CONFIG.lanes), int)
    layer = window_layer((1, 1, 1), (1, 1), output_base=1, mode=Mode.ADD, offset=offset, lower=lower, upper=upper)
    assert check(CONFIG, layer, memory)[1].tolist() == [code] * CONFIG.lanes


def test_lanes_without_a_channel_keep_the_zero_point():
    zero = 77
    memory = np.full((CONFIG.activation_words, CONFIG.lanes), zero)
    window = window_layer((3, 3, 1), (2, 2), padding=(1, 1), base=0, output_base=20, pad_code=zero)
    average = window | {"mode": Mode.ADD, "offset": 2, "shift": 2, "upper": 255}
    for layer in (window, average):
        assert np.array_equal(check(CONFIG, layer, memory), memory)


@pytest.mark.parametrize("seed", range(12))
def test_hardware_equals_model_on_random_layers(seed):
    rng = np.random.default_rng(seed)
    bits = int(rng.integers(2, 9))
    config = small_config(vector_bits=37, lanes=int(rng.choice([2, 4, 16])), activation_bits=bits, l1_weight_bits=2,
                          activation_words=400)
    shape = tuple(map(int, rng.integers(1, [6, 6, 4])))
    lower, upper = sorted(map(int, rng.integers(0, 2**bits, 2)))
    layer = window_layer(
        shape, tuple(map(int, rng.integers(1, 4, 2))), int(rng.integers(1, 4)), tuple(map(int, rng.integers(0, 3, 2))),
        output=tuple(map(int, rng.integers(1, 4, 2))), base=int(rng.integers(50)), output_base=300,
        mode=int(rng.integers(2)), two_operands=int(rng.integers(2)), second_base=200,
        left_shift=int(rng.integers(16)), second_left_shift=int(rng.integers(16)), shift=int(rng.integers(20)),
        offset=int(rng.integers(-2**20, 2**20)), lower=lower, upper=upper, pad_code=int(rng.integers(2**bits)),
    )
    check(config, layer, random_memory(config, seed))


def test_layers_follow_one_another_without_a_trace_of_the_last():
    memory = random_memory(CONFIG)
    layers = [
        window_layer((4, 4, 2), (3, 3), 1, (1, 1), base=0, output_base=40),
        window_layer((2, 2, 1), (1, 1), base=40, output_base=90, mode=Mode.ADD, two_operands=1, second_base=50,
                     shift=1, upper=255),
        window_layer((2, 2, 1), (2, 2), base=90, output_base=100, mode=Mode.ADD, shift=2, upper=255),
    ]
    expected = memory
    for layer in layers:
        expected = VectorEngine.model(CONFIG, complete(layer), expected)
    after, cycles = run(CONFIG, layers, memory)
    assert np.array_equal(after, expected)
    assert cycles == [2 * 16 * 9 + 10, 4 * 2 + 10, 4 + 10]
