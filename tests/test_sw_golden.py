from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.random_layer import random_array_layer
from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.spec.operators import Operator
from nomul.sw import golden, reference
from nomul.sw.network import Add, ArrayLayer, AveragePool, IntegerNetwork, MaxPool, Tensor

from .hardware import small_config

CONFIG = small_config(weight_words=4096, parameter_words=256, activation_words=512, program_layers=32)


def one_layer(layer, source):
    return IntegerNetwork("one", 8, source, (layer,), {})


def brute_force(layer, source, image):
    """One image by loops over the definition, in Python integers."""
    out_channels, in_channels, height, width = layer.weight.shape
    (down, across), (above, left), (spread_y, spread_x), groups = layer.geometry
    group_inputs = source.channels // groups
    outputs = np.zeros(layer.output.shape, np.int64)
    for o, row, column in np.ndindex(*layer.output.shape):
        acc = int(layer.bias[o])
        first = o // (out_channels // groups) * group_inputs
        for c, ky, kx in np.ndindex(in_channels, height, width):
            y, x = row * down + ky * spread_y - above, column * across + kx * spread_x - left
            inside = 0 <= y < source.height and 0 <= x < source.width
            code = int(image[first + c % group_inputs, y, x]) if inside else source.zero_point
            weight = int(layer.weight[o, c, ky, kx])
            acc += -abs(code - weight) if layer.operator is Operator.L1 else code * weight
        scaled = (acc * int(layer.multiplier[o]) + 2 ** (layer.shift - 1)) // 2**layer.shift + layer.output.zero_point
        outputs[o, row, column] = min(max(scaled, layer.lower), layer.upper)
    return outputs


@pytest.mark.parametrize("operator", Operator)
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups", "terms"), [
    (1, 0, 1, 1, 1), (2, 1, 1, 1, 2), (3, 2, 1, 1, 1), ((1, 2), (2, 0), (2, 1), 1, 1), (1, 1, 1, 2, 1), (1, 1, 1, 4, 2),
    ((2, 1), (1, 2), (1, 2), 4, 1)])
def test_array_layer_equals_loops_over_the_definition(operator, stride, padding, dilation, groups, terms):
    chance = np.random.default_rng([int(operator), groups])
    source = Tensor(4, 5, 4, 128, -4)
    layer = random_array_layer(chance, CONFIG, "conv", source, "input", operator=operator, channels=8, kernel=(3, 2),
                               stride=stride, padding=padding, dilation=dilation, groups=groups, terms=terms)
    codes = random_codes(0, one_layer(layer, source), 2)
    expected = [brute_force(layer, source, image) for image in codes]
    network = IntegerNetwork("two", 8, source, (layer, random_array_layer(
        chance, CONFIG, "out", layer.output, "conv", kernel=(layer.output.height, layer.output.width), stride=1,
        padding=0, dilation=1, groups=1, logits=True)), {})
    assert np.array_equal(golden.trace(network, codes)["conv"], expected)
    assert np.array_equal(reference.trace(network, codes)["conv"], expected)
    assert len(np.unique(expected)) > 4


def test_two_terms_of_powers_of_two_multiply_by_their_sum():
    chance = np.random.default_rng(8)
    source = Tensor(3, 5, 4, 7, -4)
    layer = random_array_layer(chance, CONFIG, "conv", source, "input", operator=Operator.SHIFT, channels=4,
                               kernel=(3, 2), stride=2, padding=1, terms=2, dilation=1)
    codes = random_codes(0, one_layer(layer, source), 2)
    sums = layer.weight[:, :3].astype(int) + layer.weight[:, 3:]
    assert {3, 6} < set(np.abs(sums).ravel().tolist())       # no powers of two
    last = random_array_layer(chance, CONFIG, "out", layer.output, "conv", logits=True, stride=1, padding=0, terms=1,
                              dilation=1, groups=1, kernel=(layer.output.height, layer.output.width))
    expected = [brute_force(replace(layer, weight=sums), source, image) for image in codes]
    assert np.array_equal(golden.trace(IntegerNetwork("two", 8, source, (layer, last), {}), codes)["conv"], expected)


@pytest.mark.parametrize("seed", range(25))
def test_golden_model_equals_numpy_reference_on_every_tensor(seed):
    network = random_network(seed, CONFIG)
    codes = random_codes(seed, network, 4)
    ours, theirs = golden.trace(network, codes), reference.trace(network, codes)
    assert ours.keys() == theirs.keys() == network.tensors.keys()
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype
        assert np.array_equal(ours[name], tensor), name
    assert np.array_equal(golden.run(network, codes), theirs[network.layers[-1].name][:, :, 0, 0])


@pytest.mark.parametrize(("operator", "largest_weight", "inputs"), [
    (Operator.L1, 255, 70_000),        # sums beyond 2^24: float32 would round
    (Operator.SHIFT, 1 << 14, 100),    # beyond 2^24
    (Operator.SHIFT, 1 << 14, 1000),   # beyond 2^31
])
def test_sums_too_large_for_narrow_types_stay_exact(operator, largest_weight, inputs):
    chance = np.random.default_rng(inputs)
    weight = np.full((3, inputs, 1, 1), largest_weight, np.int16)
    weight[1, chance.random((inputs, 1, 1)) < 0.01] = 1
    weight[2, ::2] = 1
    codes = np.full((2, inputs, 1, 1), 255 if operator is Operator.SHIFT else 0, np.uint8)
    codes[1] = chance.integers(0, 256, (inputs, 1, 1))
    acc = [[sum(-abs(int(x) - int(w)) if operator is Operator.L1 else int(x) * int(w)
                for x, w in zip(image.flat, row.flat, strict=True)) for row in weight] for image in codes]
    assert np.abs(acc).max() > 2**24
    # A bias that brings one sum to 0, and M/2^shift = 1/2: outputs show its lowest bits.
    for image, channel in np.ndindex(2, 3):
        bias = np.full(3, -acc[image][channel] + 6, np.int64)
        layer = ArrayLayer("out", "input", operator, weight, bias, np.ones(3, np.int32), 1, 1, 0, -32768, 32767,
                           Tensor(3, 1, 1, 0, 0))
        logits = golden.run(one_layer(layer, Tensor(inputs, 1, 1)), codes)
        assert logits[image, channel] == 3


def test_pools_and_residual_by_hand():
    source = Tensor(1, 2, 4, 10, 0)
    layers = (
        MaxPool("max", "input", (2, 2), 2, Tensor(1, 1, 2, 10, 0)),
        AveragePool("mean", "input", (2, 2), 2, Tensor(1, 1, 2, 10, 0)),
        Add("sum", ("max", "mean"), (1, 1), 1, 0, 100, Tensor(1, 1, 2, 20, 0)),
        ArrayLayer("out", "sum", Operator.SIGN, np.array([[[[1, -1]]]], np.int16), np.zeros(1, np.int64),
                   np.ones(1, np.int32), 1, 1, 0, -32768, 32767, Tensor(1, 1, 1, 0, 0)),
    )
    network = IntegerNetwork("pools", 8, source, layers, {})
    network.check()
    codes = np.array([[1, 2, 255, 0], [3, 4, 0, 0]], np.uint8).reshape(1, 1, 2, 4)
    for trace in (golden.trace, reference.trace):
        tensors = trace(network, codes)
        assert tensors["max"].flatten().tolist() == [4, 255]
        assert tensors["mean"].flatten().tolist() == [3, 64]            # 2.5 and 63.75
        assert tensors["sum"].flatten().tolist() == [7, 100]            # 4-10 + 3-10 + 20; clamped
        assert tensors["out"].flatten().tolist() == [-46]               # -93/2 rounded half up


def test_batches_are_joined_in_order_and_progress_is_told():
    network = random_network(1, CONFIG)
    codes, calls = random_codes(1, network, 150), []
    logits = golden.run(network, codes, lambda done, total: calls.append((done, total)))
    assert calls == [(64, 150), (128, 150), (150, 150)]
    assert np.array_equal(logits[140:], golden.run(network, codes[140:]))
    assert logits.dtype == np.int16


def test_no_images_give_no_logits():
    network = random_network(1, CONFIG)
    assert golden.run(network, np.zeros((0, *network.input.shape), np.uint8)).shape == (0, network.classes)


def test_weights_in_read_only_memory_are_taken():
    network = random_network(2, CONFIG)
    codes = random_codes(2, network, 2)
    expected = golden.run(network, codes)
    frozen = []
    for layer in network.layers:
        if isinstance(layer, ArrayLayer):
            layer = replace(layer, weight=layer.weight.copy(), bias=layer.bias.copy())
            layer.weight.flags.writeable = layer.bias.flags.writeable = False
        frozen.append(layer)
    codes.flags.writeable = False
    assert np.array_equal(golden.run(replace(network, layers=tuple(frozen)), codes), expected)
