from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.spec.operators import Operator
from nomul.sw import container
from nomul.sw.container import ContainerError
from nomul.sw.network import LAYERS, Add, ArrayLayer, AveragePool, IntegerNetwork, MaxPool, NetworkError, Tensor

from .hardware import small_config


def small_network():
    """Every kind of layer once: a convolution, its sum with the input, two pools, a linear layer."""
    conv = ArrayLayer("conv", "input", Operator.SHIFT, np.full((2, 2, 3, 3), -4, np.int16), np.array([7, -7]),
                      np.array([100, -100], np.int32), 8, 1, 1, 0, 255, Tensor(2, 4, 4, 128, -3))
    add = Add("add", ("input", "conv"), (0, 1), 2, 0, 200, Tensor(2, 4, 4, 0, -2))
    largest = MaxPool("max", "add", (2, 2), 1, Tensor(2, 3, 3, 0, -2))
    mean = AveragePool("mean", "max", (2, 2), 1, Tensor(2, 2, 2, 0, -2))
    linear = ArrayLayer("linear", "mean", Operator.L1, np.full((3, 2, 2, 2), 9, np.int16), np.zeros(3, np.int64),
                        np.full(3, 50, np.int32), 6, 1, 0, -32768, 32767, Tensor(3, 1, 1, 0, 0))
    return IntegerNetwork("small", 8, Tensor(2, 4, 4, 5, -4), (conv, add, largest, mean, linear), {"note": [1, "a"]})


def changed(index, **fields):
    network = small_network()
    layers = list(network.layers)
    layers[index] = replace(layers[index], **fields)
    return replace(network, layers=tuple(layers))


class Dropout(NamedTuple):
    name: str


def test_small_network_is_valid():
    network = small_network()
    network.check()
    assert list(network.tensors) == ["input", "conv", "add", "max", "mean", "linear"]
    assert (network.classes, network.largest_code) == (3, 255)


CONV, ADD, MAX, MEAN, LINEAR = range(5)


@pytest.mark.parametrize(("index", "fields", "message"), [
    (CONV, {"input": "image"}, "layer 'conv': reads 'image', which no earlier layer makes; there are input"),
    (ADD, {"name": "conv"}, "layer 'conv': a layer needs a name of its own"),
    (CONV, {"name": "input"}, "layer 'input': a layer needs a name of its own"),
    (CONV, {"weight": np.ones((2, 2, 3, 3), np.int32)}, "weight must be int16 of shape .*, not int32"),
    (CONV, {"weight": np.ones((2, 2, 3), np.int16)}, r"weight must be int16 of shape .*, not int16 \(2, 2, 3\)"),
    (CONV, {"weight": np.ones((2, 3, 3, 3), np.int16)}, "weight has 3 input channels, tensor 'input' has 2"),
    (CONV, {"terms": 2}, "weight has 2 input channels, tensor 'input' has 2 times 2"),
    (CONV, {"terms": 16}, "terms must be 1 to 15, not 16"),
    (CONV, {"weight": np.full((2, 2, 3, 3), 3, np.int16)}, r"shift weights must be 0 or ±2\^p, not \[3\]"),
    (CONV, {"operator": Operator.SIGN}, r"sign weights must be -1, 0 or 1, not \[-4\]"),
    (CONV, {"operator": Operator.L1}, r"l1 weights must be not negative, not \[-4\]"),
    (CONV, {"bias": np.array([1, 2, 3])}, r"bias must be int64 of shape \(2,\), not int64 \(3,\)"),
    (CONV, {"bias": np.array([0, 1 << 39])}, r"bias must be below 2\^39"),
    (CONV, {"multiplier": np.ones(2, np.int64)}, "multiplier must be int32"),
    (CONV, {"multiplier": np.array([0, -256], np.int32)}, r"multiplier must be below 256 in magnitude .*, not 256"),
    (CONV, {"multiplier": np.array([1 << 16, 0], np.int32), "shift": 30}, "multiplier must be below 65536"),
    (CONV, {"shift": 0}, "shift must be 1 to 40, not 0"),
    (CONV, {"shift": 41}, "shift must be 1 to 40, not 41"),
    (CONV, {"stride": 0}, "stride must be an integer of at least 1, or a pair of such, not 0"),
    (CONV, {"stride": (1, 2, 3)}, "stride must be an integer of at least 1, or a pair of such"),
    (CONV, {"groups": 3}, "groups=3 must divide both the 2 input channels and the 2 output channels"),
    (CONV, {"groups": 2}, "weight has 2 input channels, tensor 'input' has 1, in each of 2 groups"),
    (CONV, {"dilation": 0}, "dilation must be an integer of at least 1"),
    (CONV, {"dilation": 2}, r"the output's shape must be \(2, 2, 2\), not \(2, 4, 4\)"),
    (CONV, {"padding": -1}, "padding must be an integer of at least 0, or a pair of such, not -1"),
    (CONV, {"padding": 0}, r"the output's shape must be \(2, 2, 2\), not \(2, 4, 4\)"),
    (MEAN, {"kernel": (4, 4)}, "a 4×4 kernel does not fit into the 3×3 map with padding 0"),
    (CONV, {"upper": 256}, "outputs must lie within 0 to 255, not 0 to 256"),
    (CONV, {"lower": 10, "upper": 9}, "outputs must lie within 0 to 255, not 10 to 9"),
    (CONV, {"lower": 129}, "zero_point must lie within the outputs 129 to 255, not 128"),
    (LINEAR, {"lower": -32769}, "outputs must lie within -32768 to 32767"),
    (LINEAR, {"output": Tensor(3, 1, 1, 1, 0)}, "the last layer must have a 1×1 map and zero_point 0"),
    (LINEAR, {"weight": np.ones((3, 2, 1, 1), np.int16), "output": Tensor(3, 2, 2)}, "must have a 1×1 map"),
    (MAX, {"kernel": 2}, r"kernel must be \(height, width\), not 2"),
    (MAX, {"stride": 0}, "stride must be an integer of at least 1, or a pair of such, not 0"),
    (MAX, {"padding": 2}, r"padding must be at most half of the kernel \(2, 2\), not \(2, 2\)"),
    (MAX, {"output": Tensor(2, 3, 3, 0, -1)}, "pooling keeps zero_point and exponent"),
    (ADD, {"inputs": ("input", "input"), "left_shifts": (0, 16)}, "left_shifts must be 0 to 15"),
    (ADD, {"left_shifts": (1, 1)}, r"bring both inputs to one step: 2\^-5, 2\^-4"),
    (ADD, {"shift": 1}, r"before the right shift, 2\^-3 differ"),
    (ADD, {"output": Tensor(2, 4, 5, 0, -2)}, "must have one shape"),
])
def test_broken_rule_names_layer_and_rule(index, fields, message):
    network = changed(index, **fields)
    with pytest.raises(NetworkError, match=message) as caught:
        network.check()
    assert str(caught.value).startswith(f"layer {network.layers[index].name!r}: ")
    assert "\n" not in str(caught.value)


def test_unsupported_layer_is_named_with_those_that_are_supported():
    network = small_network()
    with pytest.raises(NetworkError, match=r"layer 'drop': unsupported layer Dropout; supported are array "
                                           r"\(ArrayLayer\), max_pool \(MaxPool\), average_pool \(AveragePool\), add"):
        replace(network, layers=(Dropout("drop"), *network.layers)).check()


@pytest.mark.parametrize("layers", [(), small_network().layers[:-1]])
def test_network_must_end_with_logits(layers):
    with pytest.raises(NetworkError, match="network 'small': the last layer must be an array layer"):
        replace(small_network(), layers=layers).check()


def test_input_and_activation_bits_are_checked():
    with pytest.raises(NetworkError, match="activation_bits must be 2 to 8, not 9"):
        replace(small_network(), activation_bits=9).check()
    with pytest.raises(NetworkError, match="layer 'input': zero_point must lie within the outputs 0 to 255, not 256"):
        replace(small_network(), input=Tensor(2, 4, 4, 256, 0)).check()
    with pytest.raises(NetworkError, match="layer 'input': channels, height and width must be positive"):
        replace(small_network(), input=Tensor(0, 4, 4)).check()


def test_file_gives_back_the_same_network(tmp_path):
    network = small_network()
    digest = network.save(tmp_path / "n")
    loaded = IntegerNetwork.load(tmp_path / "n")
    assert network.hash == loaded.hash == digest
    assert (loaded.name, loaded.activation_bits, loaded.input, loaded.metadata) == \
        (network.name, network.activation_bits, network.input, network.metadata)
    assert loaded.layers[1:4] == network.layers[1:4]
    for ours, theirs in ((network.layers[CONV], loaded.layers[CONV]), (network.layers[LINEAR], loaded.layers[LINEAR])):
        for key, value in vars(ours).items():
            other = getattr(theirs, key)
            assert type(value) is type(other)
            assert np.array_equal(value, other) if isinstance(value, np.ndarray) else value == other


def test_broken_network_is_not_written(tmp_path):
    with pytest.raises(NetworkError):
        changed(CONV, shift=0).save(tmp_path / "n")
    assert not list(tmp_path.iterdir())


def test_file_of_another_kind_is_refused(tmp_path):
    container.save(tmp_path / "p", "program", {}, {})
    with pytest.raises(ContainerError, match="is a program file, but a network file is needed: `nomul quantize`"):
        IntegerNetwork.load(tmp_path / "p")


def test_file_with_an_unsupported_layer_names_it(tmp_path):
    small_network().save(tmp_path / "n")
    content = container.load(tmp_path / "n")
    content.header["layers"][MAX]["kind"] = "softmax"
    container.save(tmp_path / "n", "network", content.header, content.tensors)
    with pytest.raises(NetworkError, match="layer 'max': unsupported layer 'softmax'; supported are array"):
        IntegerNetwork.load(tmp_path / "n")


def test_images_are_encoded_by_hand():
    network = replace(small_network(), input=Tensor(1, 1, 5, 5, -2))   # step 1/4, zero at code 5
    images = np.array([0.0, 0.25, 0.125, -0.125, -100.0]).reshape(1, 1, 1, 5)
    assert network.encode_images(images).tolist() == [[[[5, 6, 6, 5, 0]]]]
    assert network.encode_images(images + 1000).dtype == np.uint8
    assert network.encode_images(images + 1000).max() == 255


def test_images_of_another_shape_are_refused():
    with pytest.raises(NetworkError, match=r"images must have the shape \(number, 2, 4, 4\), not \(3, 1, 8, 8\)"):
        small_network().encode_images(np.zeros((3, 1, 8, 8)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_images_that_are_not_finite_are_refused(value):
    with pytest.raises(NetworkError, match="images must be finite"):
        small_network().encode_images(np.full((1, 2, 4, 4), value))


def test_summary_has_a_row_a_layer():
    rows = small_network().summary()
    assert [(row["layer"], row["kind"], row["output"]) for row in rows] == [
        ("conv", "shift", "2×4×4"), ("add", "add", "2×4×4"), ("max", "max_pool", "2×3×3"),
        ("mean", "average_pool", "2×2×2"), ("linear", "l1", "3×1×1")]
    assert (rows[0]["weights"], rows[0]["weight range"], rows[0]["range"]) == ("2×2×3×3", "-4 to -4", "0 to 255")
    assert rows[1]["input"] == "input, conv"


def test_random_networks_are_reproducible_and_have_every_kind_of_layer():
    config = small_config(weight_words=4096, parameter_words=256, activation_words=512, program_layers=32)
    networks = [random_network(seed, config) for seed in range(30)]
    assert random_network(3, config).hash == networks[3].hash
    assert len({network.hash for network in networks}) == len(networks)
    layers = [layer for network in networks for layer in network.layers]
    assert {type(layer) for layer in layers} == set(LAYERS.values())
    arrays = [layer for layer in layers if isinstance(layer, ArrayLayer)]
    assert {layer.operator for layer in arrays} == set(Operator)
    assert {layer.stride for layer in arrays} >= {1, 2, 3, (1, 2)}
    assert {layer.padding for layer in arrays} >= {0, 1, 2, (0, 1)}
    assert {layer.dilation for layer in arrays} >= {1, 2}
    assert {layer.groups > 1 for layer in arrays} == {False, True}
    assert {layer.weight.shape[2] for layer in arrays} >= {1, 2, 3, 4, 5}
    codes = random_codes(0, networks[0], 5)
    assert (codes.dtype, codes.shape) == (np.uint8, (5, *networks[0].input.shape))
