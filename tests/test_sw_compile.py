from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.random_network import random_codes
from nomul.gen.spec.operators import Operator
from nomul.gen.spec.program import Destination, Mode, Opcode, unpack
from nomul.sw import golden
from nomul.sw.compile import CompileError, compile_network
from nomul.sw.machine import Machine
from nomul.sw.network import Add, ArrayLayer, AveragePool, IntegerNetwork, MaxPool, NetworkError, Tensor

from .hardware import small_config


def array_layer(name, source, weight, *, operator=Operator.L1, bias=None, multiplier=None, shift=8, stride=1,
                padding=0, logits=False, exponent=0):
    """A layer that reads the tensor `source`, (name, Tensor), with the given integer weights."""
    weight = np.array(weight, np.int16)
    channels, _, height, width = weight.shape
    output = Tensor(channels, (source[1].height + 2 * padding - height) // stride + 1,
                    (source[1].width + 2 * padding - width) // stride + 1, 0, exponent)
    bias = np.zeros(channels, np.int64) if bias is None else np.array(bias, np.int64)
    multiplier = np.ones(channels, np.int32) if multiplier is None else np.array(multiplier, np.int32)
    lower, upper = (-32768, 32767) if logits else (0, 255)
    return ArrayLayer(name, source[0], operator, weight, bias, multiplier, shift, stride, padding, lower, upper, output)


def network_of(source, *layers, name="net"):
    return IntegerNetwork(name, 8, source, layers, {"made": "by hand"})


def one_layer(source, weight, **fields):
    return network_of(source, array_layer("out", ("input", source), weight, logits=True, **fields))


def unfolded_config(**fields):
    """Memory for `residual_network` but not for its first layer's windows: 12 words each instead of 18 taps."""
    return small_config(**({"weight_words": 512, "activation_words": 60} | fields))


def descriptors(compiled):
    return [unpack(words) for words in compiled.program.tolist()]


def integer(words):
    return [int.from_bytes(word.tobytes(), "little") for word in words]


def residual_network():
    """Convolution with stride and padding, add, two pools and a linear layer; maps 5×4 → 3×2."""
    source = Tensor(5, 5, 4, 7, -2)
    first = array_layer("first", ("input", source), np.full((6, 5, 3, 3), 2), stride=2, padding=1, exponent=-1)
    second = array_layer("second", ("first", first.output), np.full((6, 6, 1, 1), -1), operator=Operator.SIGN,
                         exponent=-3)
    total = Add("total", ("first", "second"), (3, 1), 2, 0, 255, Tensor(6, 3, 2, 9, -2))
    largest = MaxPool("largest", "total", (2, 1), 1, Tensor(6, 2, 2, 9, -2))
    mean = AveragePool("mean", "largest", (2, 2), 2, Tensor(6, 1, 1, 9, -2))
    last = array_layer("last", ("mean", mean.output), np.ones((3, 6, 1, 1)), logits=True)
    return network_of(source, first, second, total, largest, mean, last)


def test_l1_layer_by_hand():
    # 3 inputs on 4 lanes, 2 outputs on 4 columns; the unused lane has the zero point 7 as weight.
    compiled = compile_network(one_layer(
        Tensor(3, 1, 1, 7, 0), np.reshape([[1, 2, 3], [250, 0, 9]], (2, 3, 1, 1)), bias=[10, -1000],
        multiplier=[3, -200]), small_config())
    assert integer(compiled.weights) == [0x07030201, 0x070900FA]
    # fold is -Σ(w + 255): 10 - 13 - 1020, -1000 - 266 - 1020; bias in 24 bits, then 16 of magnitude and the sign of M.
    assert integer(compiled.parameters) == [3 << 24 | (2**24 - 1023), 1 << 40 | 200 << 24 | (2**24 - 2286), 0, 0]
    assert compiled.parameters.shape == (4, 6)


def test_shift_layer_by_hand():
    # Codes of 8 bits for l1, so shift codes (exponent 3 bits, negative, zero) leave the high bits 0.
    compiled = compile_network(one_layer(
        Tensor(4, 1, 1, 128, 0), np.reshape([[1, -1, 0, -128]], (1, 4, 1, 1)), operator=Operator.SHIFT, bias=[5]),
        small_config())
    assert integer(compiled.weights) == [0b01111 << 24 | 0b10000 << 16 | 0b01000 << 8]
    assert integer(compiled.parameters)[0] == 1 << 24 | 2**24 + 5 - 2 * (2**15 - 1)    # two negative weights


def test_weights_are_packed_without_gaps():
    # Without l1 a code has 5 bits: 4 lanes in 20 bits, 3 bytes.
    compiled = compile_network(one_layer(
        Tensor(4, 1, 1, 0, 0), np.reshape([[1, -2, 4, 0]], (1, 4, 1, 1)), operator=Operator.SHIFT),
        small_config(operators=("shift", "sign")))
    assert compiled.weights.shape == (1, 3)
    assert integer(compiled.weights)[0] == 0b10000 << 15 | 0b00010 << 10 | 0b01001 << 5


def test_weights_lie_in_order_of_consumption():
    # 2 groups of 2 columns, 1×2 kernel, 2 channel words of 2 lanes: group, kernel column, channel word, array column.
    config = small_config(lanes=2, columns=2, result_words=4)
    weight = np.arange(3 * 4 * 1 * 2).reshape(3, 4, 1, 2)
    compiled = compile_network(one_layer(Tensor(4, 1, 2, 99, 0), weight), config)
    expected = [[weight[channel, 2 * word + lane, 0, column] for lane in (0, 1)]
                for group in ((0, 1), (2,)) for column in (0, 1) for word in (0, 1) for channel in group]
    assert compiled.weights.tolist() == expected


def test_descriptors_by_hand():
    compiled = compile_network(residual_network(), unfolded_config())
    first, second, total, largest, mean, last, end = descriptors(compiled)
    words = 2 ** 20
    # input: 5 channels are 2 words a pixel, 40 words at 0; "first" 12 words after it, "second" in the input's place,
    # and the sum in that of its first operand.
    assert {name: where["base"] for name, where in compiled.tensors.items()} == {
        "input": 0, "first": 40, "second": 0, "total": 40, "largest": 0, "mean": 8}
    assert compiled.tensors["first"] == {"base": 40, "channel_words": 2, "channels": 6, "height": 3, "width": 2,
                                         "segments": [6]}

    def fields(layer, **expected):
        assert {key: layer[key] for key in expected} == expected

    fields(first, opcode=Opcode.ARRAY, operator=Operator.L1, destination=Destination.ACTIVATIONS, stride_y=2,
           stride_x=2, dilation_y=1, dilation_x=1, together=2, tap_step=1,
           padding_top=1, padding_left=1, kernel_height=3, kernel_width=3, pad_code=7, input_height=5, input_width=4,
           channel_words=2, input_base=words - 10, tap_row_step=3, pixel_step=4, row_step=12, output_width=2,
           output_pixels=6, output_base=40, output_pixel_step=2, groups=2, tiles=18, weight_base=0, parameter_base=0,
           shift=8, zero_point=0, lower=0, upper=255)
    fields(second, operator=Operator.SIGN, input_base=40, output_base=0, groups=2, tiles=2, tap_row_step=3,
           pixel_step=2, row_step=2, weight_base=18 * 6, parameter_base=8)
    fields(total, opcode=Opcode.VECTOR, mode=Mode.ADD, two_operands=1, input_base=40, second_base=0, output_base=40,
           channel_words=2, groups=2, kernel_height=1, kernel_width=1, left_shift=3, second_left_shift=1, shift=2,
           offset=2 + (9 << 2), lower=0, upper=255, output_pixels=6, output_width=2, pixel_step=2, row_step=2)
    fields(largest, opcode=Opcode.VECTOR, mode=Mode.MAX, two_operands=0, kernel_height=2, kernel_width=1,
           tap_row_step=4, pixel_step=2, row_step=2, output_width=2, output_pixels=4, input_base=40, output_base=0,
           tap_step=2, output_pixel_step=2, output_row_step=2)
    fields(mean, opcode=Opcode.VECTOR, mode=Mode.ADD, two_operands=0, stride_y=1, kernel_height=2, kernel_width=2,
           tap_row_step=2, shift=2, offset=2, output_pixels=1, input_base=0, output_base=8)
    fields(last, destination=Destination.RESULTS, channels=3, groups=1, tiles=2, lower=-32768, upper=32767,
           weight_base=18 * 6 + 2 * 6, parameter_base=16, input_base=8)
    assert end["opcode"] == Opcode.END
    assert compiled.weights.shape == (18 * 6 + 2 * 6 + 2 * 3, 4)
    assert compiled.parameters.shape == (20, 6)
    assert compiled.weight_stream_bytes == 126 * 4 + 20 * 6


def test_sign_layer_runs_on_an_array_with_shift_only():
    network = residual_network()
    config = small_config(operators=("l1", "shift"), weight_words=512)
    compiled = compile_network(network, config)
    assert descriptors(compiled)[1]["operator"] == Operator.SHIFT
    machine, codes = Machine(config), random_codes(0, network, 3)
    machine.load(compiled)
    assert [machine.run(image)[0].tolist() for image in codes] == golden.run(network, codes).tolist()


def test_there_are_no_groups_without_a_channel_and_lanes_without_one_hold_the_zero_point():
    source = Tensor(1, 1, 1, 0, 0)
    hidden = array_layer("hidden", ("input", source), np.ones((1, 1, 1, 1)))
    out = array_layer("out", ("hidden", hidden.output), np.ones((1, 1, 1, 1)), logits=True)
    for lanes, columns in ((8, 2), (8, 8), (2, 8)):
        config = small_config(lanes=lanes, columns=columns)
        compiled, machine = compile_network(network_of(source, hidden, out), config), Machine(config)
        assert [layer["groups"] for layer in descriptors(compiled)[:2]] == [1, 1]
        machine.load(compiled)
        machine.activations[:] = 99
        tensor = machine.trace(np.array([[[3]]], np.uint8))["hidden"]
        assert tensor[1:].flatten().tolist() == [hidden.output.zero_point] * (lanes - 1)


def test_stride_of_a_single_window_does_not_count():
    source = Tensor(1, 4, 4, 0, 0)
    pool = AveragePool("pool", "input", (4, 4), 16, Tensor(1, 1, 1, 0, 0))
    out = array_layer("out", ("pool", pool.output), np.ones((2, 1, 1, 1)), stride=99, logits=True)
    layers = descriptors(compile_network(network_of(source, pool, out), small_config()))
    assert [(layer["stride_y"], layer["stride_x"]) for layer in layers[:2]] == [(1, 1), (1, 1)]


# Errors. ----------------------------------------------------------------------------------------------------------

def rejects(network, message, **fields):
    with pytest.raises(CompileError, match=message) as caught:
        compile_network(network, unfolded_config(**fields))
    assert "\n" not in str(caught.value)


def test_operator_that_the_array_lacks():
    rejects(residual_network(), "layer 'first' needs the operator 'l1', configuration 'test' has only shift, sign: "
                                "add it to operators", operators=("shift", "sign"))
    rejects(residual_network(), "layer 'second' needs the operator 'sign'", operators=("l1",))


def test_sign_weight_0_that_unified_elements_lack():
    source = Tensor(3, 1, 1, 5, 0)
    network = one_layer(source, [[[[1]], [[0]], [[-1]]]], operator=Operator.SIGN)
    rejects(network, r"layer 'out': weight 0 at \[0, 1, 0, 0\] is not a sign weight; allowed are -1 and 1, as",
            unified=True, operators=("l1", "sign"))
    compiled = compile_network(network, small_config(unified=True))     # which has shift, too
    assert descriptors(compiled)[0]["operator"] == Operator.SHIFT


def test_unused_lanes_of_unified_elements_are_made_up_for_in_the_bias():
    """Three inputs in four lanes: the fourth sees the zero point 5 and has the weight -1; T = 255 for each lane."""
    network = one_layer(Tensor(3, 1, 1, 5, 0), [[[[1]], [[1]], [[-1]]]], operator=Operator.SIGN, bias=[7])
    compiled = compile_network(network, small_config(unified=True))
    assert integer(compiled.parameters)[0] % (1 << 24) == (7 + 5 - 4 * 255) % (1 << 24)
    assert integer(compiled.weights)[0] == 256 | 256 << 9


def test_activation_bits_that_differ():
    rejects(residual_network(), "has 8-bit activations, configuration 'test' has activation_bits 6",
            activation_bits=6, l1_weight_bits=6)


def test_weight_that_the_configuration_cannot_write():
    weight = np.ones((2, 3, 1, 1))
    weight[1, 2] = 64
    network = one_layer(Tensor(3, 1, 1, 0, 0), weight)
    rejects(network, r"layer 'out': weight 64 at \[1, 2, 0, 0\] is not a l1 weight; allowed are integers 0 to 63",
            l1_weight_bits=6)
    network = one_layer(Tensor(3, 1, 1, 0, 0), weight, operator=Operator.SHIFT)
    rejects(network, r"layer 'out': weight 64 at \[1, 2, 0, 0\] .* p from 0 to 3", shift_exponents=4)
    rejects(one_layer(Tensor(3, 1, 1, 128, 0), np.ones((2, 3, 1, 1))),
            "layer 'out': unused lanes need the zero point 128 of tensor 'input' .* raise l1_weight_bits",
            l1_weight_bits=7)


def test_accumulator_that_could_overflow():
    # 9 weights of -128 and 255: -293760, which needs 20 bits; with a bias of -230528 just -2^19, and one less 21.
    source, weight = Tensor(9, 1, 1, 0, 0), np.full((2, 9, 1, 1), -128)
    weight[0] = 1
    for bias, bits in ((-230528, 20), (-230529, 21)):
        network = one_layer(source, weight, operator=Operator.SHIFT, bias=[0, bias])
        compile_network(network, small_config(accumulator_bits=bits))
        rejects(network, rf"layer 'out': the accumulator of channel 1 can reach {bias - 293760} to {bias}, "
                         rf"{bits} bits: raise accumulator_bits from {bits - 1}", accumulator_bits=bits - 1)


@pytest.mark.parametrize(("field", "needed", "layer"), [
    ("activation_words", 52, "first"), ("weight_words", 126, "last"), ("parameter_words", 20, "last"),
    ("program_layers", 7, "last"),
])
def test_memory_that_is_one_word_too_small(field, needed, layer):
    compile_network(residual_network(), unfolded_config(**{field: needed}))
    rejects(residual_network(), rf"layer '{layer}' does not fit: up to it the network needs {field} {needed}, "
                                rf"1 more than the configuration's {needed - 1}: raise {field}", **{field: needed - 1})


def test_memory_error_names_the_layer_where_it_is_full():
    rejects(residual_network(), "layer 'first' does not fit: .* weight_words 108, 8 more than the configuration's 100, "
            "and 126 in all: raise weight_words to 126, set weight_stream = true .*, or", weight_words=100)
    rejects(residual_network(), "layer 'second' does not fit: .* parameter_words 16, 4 more than the configuration's "
            "12, and 20 in all: raise parameter_words to 20 or", parameter_words=12)


def test_a_ring_too_small_for_a_layer_is_refused():
    rejects(residual_network(), "layer 'first' does not fit: .* weight_words 72, 12 more than the configuration's 60: "
            "raise weight_words to 72 or make", weight_words=60, weight_stream=True, block_pixels=1)


def test_sums_that_the_vector_engine_cannot_hold():
    """Twice 255 · 2^5 and half of 2^3 make 16324, of 15 bits with the sign."""
    source = Tensor(1, 1, 1, 0, 0)
    first = array_layer("first", ("input", source), np.ones((1, 1, 1, 1)))
    total = Add("add", ("first", "first"), (5, 5), 3, 0, 255, Tensor(1, 1, 1, 0, -2))
    last = array_layer("last", ("add", total.output), np.ones((1, 1, 1, 1)), logits=True)
    network = network_of(source, first, total, last)
    compile_network(network, small_config(vector_bits=15))
    rejects(network, "layer 'add': its sums take 15 bits: raise vector_bits from 14", vector_bits=14)


def test_results_that_do_not_fit():
    network = one_layer(Tensor(1, 1, 1, 0, 0), np.ones((9, 1, 1, 1)))
    rejects(network, "layer 'out' .* result_words 9, 1 more than the configuration's 8", result_words=8)


@pytest.mark.parametrize(("shape", "kernel", "fields", "message"), [
    ((1, 64, 1), (64, 1), {}, "kernel_height .* must be 0 to 63, not 64"),
    ((1, 1, 40), (1, 3), {"stride": 16}, "stride_x .* must be 0 to 15, not 16"),
    ((1, 1, 1), (1, 1), {"padding": 16}, "padding_top .* must be 0 to 15, not 16"),
])
def test_geometry_beyond_the_descriptor_names_layer_and_field(shape, kernel, fields, message):
    source = Tensor(*shape, 0, 0)
    hidden = array_layer("hidden", ("input", source), np.ones((1, 1, *kernel)), **fields)
    # One output pixel for the last layer, whatever the map.
    last = array_layer("out", ("hidden", hidden.output), np.ones((1, 1, 1, 1)),
                       stride=max(hidden.output.height, hidden.output.width), logits=True)
    rejects(network_of(source, hidden, last), f"layer 'hidden': descriptor field {message}", activation_words=8192)


def test_image_beyond_the_registers():
    hidden = array_layer("hidden", ("input", Tensor(1, 2048, 1, 0, 0)), np.ones((1, 1, 1, 1)))
    last = array_layer("out", ("hidden", hidden.output), np.ones((1, 1, 1, 1)), stride=2048, logits=True)
    rejects(network_of(Tensor(1, 2048, 1, 0, 0), hidden, last), "the image of network 'net': descriptor field "
            "input_height .* must be 0 to 2047, not 2048", activation_words=8192, image_bytes=2048)
    rejects(one_layer(Tensor(3, 2, 2, 0, 0), np.ones((1, 3, 2, 2))), "layer 'input' does not fit: up to it the network "
            "needs image_bytes 12, 1 more than the configuration's 11", image_bytes=11)


# Folding. ----------------------------------------------------------------------------------------------------------

def test_taps_of_the_first_layer_fill_the_lanes():
    """3 channels on 4 lanes: 4 taps of 1 word are 3 words, whose 12 lanes are in the order row, column, channel."""
    weight = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    hidden = array_layer("hidden", ("input", Tensor(3, 5, 4, 7, 0)), weight, stride=2, padding=1)
    out = array_layer("out", ("hidden", hidden.output), np.ones((1, 2, 3, 3)), logits=True)
    compiled = compile_network(network_of(Tensor(3, 5, 4, 7, 0), hidden, out), small_config())
    assert compiled.tensors["input"] == {"base": 0, "channel_words": 3, "channels": 12, "height": 3, "width": 3,
                                         "segments": [12]}
    first = descriptors(compiled)[0]
    assert {key: first[key] for key in ("tiles", "kernel_height", "kernel_width", "stride_y", "padding_top",
                                        "channel_words", "output_pixels")} == {
        "tiles": 3, "kernel_height": 1, "kernel_width": 1, "stride_y": 1, "padding_top": 0, "channel_words": 3,
        "output_pixels": 9}
    by_tap = weight.transpose(0, 2, 3, 1).reshape(2, 3, 4)
    assert compiled.weights[:6].reshape(3, 2, 4).tolist() == by_tap.transpose(1, 0, 2).tolist()
    # As bytes: rows of 12, windows 6 apart, and 2 · 12 - 2 · 6 from the third of a row to the next row's first.
    assert {key: compiled.windows[key] for key in (
        "input_height", "input_width", "channel_words", "kernel_height", "kernel_width", "stride_x", "padding_top",
        "padding_left", "pad_code", "input_base", "tap_row_step", "pixel_step", "row_step", "output_width",
        "output_pixels")} == {
        "input_height": 5, "input_width": 4, "channel_words": 3, "kernel_height": 2, "kernel_width": 2, "stride_x": 2,
        "padding_top": 1, "padding_left": 1, "pad_code": 7, "input_base": 2**20 - 15, "tap_row_step": 7,
        "pixel_step": 6, "row_step": 12, "output_width": 3, "output_pixels": 9}


def test_each_pass_says_what_it_did():
    told = {}
    config = small_config(operators=("l1", "shift"), weight_words=512)
    compile_network(residual_network(), config, told.__setitem__)
    assert told == {
        "average_by_array": "nothing to do", "align_sums": "nothing to do",
        "choose_operators": "sign layers run as shift layers: second",
        # 45 taps of up to 255 below 2: -45·253.
        "prove_accumulators": "accumulators need 15 of 24 bits",
        "fold_input": "a window of first has 9 taps of 5 channels: packed side by side, 12 words instead of 18",
        "place_tensors": "96 of 128 words, second highest",
        "emit": "7 of 8 descriptors, 90 of 512 weight words, 20 of 64 parameter words"}
    told.clear()
    compile_network(residual_network(), unfolded_config(), told.__setitem__)
    assert told["choose_operators"] == "every layer runs with its own"
    assert told["fold_input"] == "the image is packed pixel by pixel"
    assert told["place_tensors"] == "52 of 60 words, first highest"


@pytest.mark.parametrize(("channels", "kernel", "folded"), [(3, 1, False), (4, 3, False), (3, 2, True), (1, 2, True)])
def test_folding_only_where_it_saves_words(channels, kernel, folded):
    source = Tensor(channels, kernel, kernel, 0, 0)
    compiled = compile_network(one_layer(source, np.ones((1, channels, kernel, kernel))), small_config())
    assert (compiled.tensors["input"]["channels"] > channels) == folded


def test_an_image_with_two_readers_is_not_folded():
    source = Tensor(1, 3, 3, 0, 0)
    first = array_layer("first", ("input", source), np.ones((1, 1, 3, 3)), padding=1)
    total = Add("total", ("first", "input"), (0, 0), 0, 0, 255, Tensor(1, 3, 3, 0, 0))
    last = array_layer("last", ("total", total.output), np.ones((1, 1, 3, 3)), logits=True)
    compiled = compile_network(network_of(source, first, total, last), small_config())
    assert compiled.tensors["input"]["channels"] == 1


def test_network_that_breaks_the_contract():
    network = residual_network()
    with pytest.raises(NetworkError, match="layer 'first': shift must be 1 to 40, not 0"):
        compile_network(replace(network, layers=(replace(network.layers[0], shift=0), *network.layers[1:])),
                        small_config())


def test_a_map_or_pixel_larger_than_the_configuration_counts():
    network = residual_network()
    compile_network(network, small_config(weight_words=512, map_side=5, pixel_words=12))
    rejects(network, r"the image of network 'net': input_height \(rows of the input map\) is 5, but configuration "
                     r"'test' has map_side 4, which allows 4 at most: raise map_side", map_side=4)
    rejects(network, r"layer 'first': channel_words \(.*\) is 2, but configuration 'test' has pixel_words 1, which "
                     r"allows 1 at most: raise pixel_words", pixel_words=1)


def test_without_vector_sums_averages_are_layers_of_the_array_and_sums_are_refused():
    rejects(residual_network(), "layer 'total': it adds or rescales, which configuration 'test' has no adders for: set "
                                "vector_sums = true", vector_sums=False)
    source = Tensor(3, 4, 4, 7, 0)
    for kernel in ((2, 2), (1, 1)):
        size = 4 // kernel[0]
        pool = AveragePool("pool", "input", kernel, kernel, Tensor(3, size, size, 7, 0))
        out = array_layer("out", ("pool", pool.output), np.ones((2, 3, size, size)), logits=True)
        network, config = network_of(source, pool, out), small_config(vector_sums=False)
        compiled, machine = compile_network(network, config), Machine(config)
        assert [layer["opcode"] for layer in descriptors(compiled)] == [Opcode.ARRAY, Opcode.ARRAY, Opcode.END]
        machine.load(compiled)
        codes = random_codes(0, network, 3)
        assert [machine.run(image)[0].tolist() for image in codes] == golden.run(network, codes).tolist()


def test_without_windows_the_image_is_packed_pixel_by_pixel():
    network, config = residual_network(), small_config(weight_words=512, pack_windows=False)
    compiled, machine = compile_network(network, config), Machine(config)
    assert compiled.windows["kernel_height"] == compiled.windows["kernel_width"] == 1
    assert descriptors(compiled)[0]["kernel_height"] == 3
    machine.load(compiled)
    codes = random_codes(0, network, 3)
    assert [machine.run(image)[0].tolist() for image in codes] == golden.run(network, codes).tolist()
