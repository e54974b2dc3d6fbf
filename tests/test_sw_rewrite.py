from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.fuzz_configs import named_config
from nomul.cosim.random_layer import Bounds
from nomul.cosim.random_network import random_network
from nomul.gen.spec.operators import Operator
from nomul.sw import golden, reference
from nomul.sw.compile import compile_network
from nomul.sw.machine import Machine
from nomul.sw.network import Add, ArrayLayer, AveragePool, Concat, IntegerNetwork, NetworkError, Tensor, Upsample
from nomul.sw.rewrite import align_sums, average_by_array, channel_segments

from .hardware import small_config

IMAGE = Tensor(3, 4, 6, 10, -2)


def logits(source, name):
    """The sum of everything that the tensor holds."""
    weight = np.ones((1, source.channels, source.height, source.width), np.int16)
    return ArrayLayer("out", name, Operator.SHIFT, weight, np.zeros(1, np.int64), np.full(1, 1 << 8, np.int32), 12, 1,
                      0, -32768, 32767, Tensor(1, 1, 1))


def network_of(*layers):
    return IntegerNetwork("net", 8, IMAGE, (*layers, logits(layers[-1].output, layers[-1].name)), {})


def branches():
    """(3 + 5) channels on the image's grid and another, closed up for a sum with 8 channels without a gap."""
    chance = np.random.default_rng(2)

    def one_by_one(name, source, channels, exponent, zero_point):
        return ArrayLayer(name, "input", Operator.SHIFT, chance.choice([-2, 1, 4], (channels, source.channels, 1, 1))
                          .astype(np.int16), np.zeros(channels, np.int64), np.full(channels, 100, np.int32), 8, 1, 0, 0,
                          255, Tensor(channels, 4, 6, zero_point, exponent))
    five, eight = one_by_one("five", IMAGE, 5, -4, 0), one_by_one("eight", IMAGE, 8, -3, 128)
    both = Concat("both", ("input", "five"), Tensor(8, 4, 6, 20, -3))
    total = Add("total", ("both", "eight"), (0, 0), 1, 0, 255, Tensor(8, 4, 6, 64, -2))
    return network_of(five, eight, both, total)


def test_concatenation_and_upsampling_by_hand():
    image = Tensor(2, 1, 2, 10, -2)
    wide = Upsample("wide", "input", Tensor(2, 2, 4, 10, -2))
    twice = Concat("twice", ("wide", "wide"), Tensor(4, 2, 4, 0, -1))
    network = IntegerNetwork("net", 8, image, (wide, twice, logits(twice.output, "twice")), {})
    network.check()
    codes = np.array([[[[10, 13]], [[255, 9]]]], np.uint8)
    for trace in (golden.trace, reference.trace):
        tensors = trace(network, codes)
        assert tensors["wide"][0, 0].tolist() == [[10, 10, 13, 13]] * 2
        # Half of what is above 10, rounded half up: 0, 1.5, 122.5, -0.5.
        assert tensors["twice"][0, :, 0].tolist() == [[0, 0, 2, 2], [123, 123, 0, 0]] * 2


def test_segments_begin_a_word_each():
    assert channel_segments(branches()) == {"input": (3,), "five": (5,), "eight": (8,), "both": (3, 5),
                                            "total": (3, 5), "out": (1,)}


@pytest.mark.parametrize("operators", [("l1", "shift"), ("shift",), ("shift", "sign")])
def test_a_sum_of_tensors_that_lie_differently_closes_the_gap(operators):
    config = small_config(operators=operators, weight_words=2048, program_layers=16, activation_words=512)
    network = branches()
    aligned = align_sums(network, config)
    aligned.check()
    assert [layer.name for layer in aligned.layers] == ["five", "eight", "both", "both closed", "total", "out"]
    assert len(set(map(channel_segments(aligned).get, aligned.layers[4].inputs))) == 1
    codes = np.random.default_rng(1).integers(0, 256, (3, 3, 4, 6)).astype(np.uint8)
    before, after = golden.trace(network, codes), golden.trace(aligned, codes)
    assert np.array_equal(after["both closed"], before["both"])
    machine = Machine(config)
    machine.load(compile_network(network, config))
    assert [machine.run(image)[0].tolist() for image in codes] == golden.run(network, codes).tolist()


def test_a_sum_of_a_closed_sum_is_closed_too():
    """The first sum lies otherwise than its operand does, so that the second one's operands no longer lie alike."""
    network = branches()
    total = network.layers[3]
    again = replace(total, name="again", inputs=("both", "total"), left_shifts=(0, 1))
    network = network_of(*network.layers[:4], again)
    aligned = align_sums(network, small_config())
    aligned.check()
    segments = channel_segments(aligned)
    assert all(len({segments[name] for name in layer.inputs}) == 1 for layer in aligned.layers
               if isinstance(layer, Add))
    assert [layer.name for layer in aligned.layers].count("both closed") == 1
    config = small_config(weight_words=2048, program_layers=16, activation_words=512)
    machine, codes = Machine(config), np.random.default_rng(1).integers(0, 256, (3, 3, 4, 6)).astype(np.uint8)
    machine.load(compile_network(network, config))
    assert [machine.run(image)[0].tolist() for image in codes] == golden.run(network, codes).tolist()


@pytest.mark.parametrize("seed", range(60))
def test_all_sums_of_random_networks_read_tensors_that_lie_alike(seed):
    config = named_config("columns")
    aligned = align_sums(random_network(seed, config, Bounds.wide(config)), config)
    segments = channel_segments(aligned)
    for layer in aligned.layers:
        if isinstance(layer, Add):
            assert segments[layer.inputs[0]] == segments[layer.inputs[1]]


def test_sums_of_tensors_that_lie_alike_stay():
    network = branches()
    total = replace(network.layers[3], inputs=("both", "both"), left_shifts=(0, 0))
    network = network_of(*network.layers[:3], total)
    assert align_sums(network, small_config()).layers == network.layers


@pytest.mark.parametrize("operators", [("l1",), ("shift",), ("sign",), ("l1", "sign")])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [((3, 3), 1, 1), ((1, 5), (1, 2), (0, 2)), ((4, 6), 1, 0)])
def test_an_average_on_the_array_is_the_contracts(operators, kernel, stride, padding):
    config = small_config(operators=operators, unified=operators == ("l1", "sign"))
    pool = AveragePool("pool", "input", kernel, stride, IMAGE, padding)
    size = pool.geometry.output_size((4, 6), kernel)
    pool = replace(pool, output=replace(IMAGE, height=size[0], width=size[1]))
    network = network_of(pool)
    network.check()
    rewritten = average_by_array(network, config)
    rewritten.check()
    assert [type(layer) for layer in rewritten.layers] == [ArrayLayer, ArrayLayer]
    codes = np.random.default_rng(1).integers(0, 256, (3, 3, 4, 6)).astype(np.uint8)
    codes[0] = 255
    assert np.array_equal(golden.trace(rewritten, codes)["pool"], golden.trace(network, codes)["pool"])


def test_an_average_of_a_power_of_two_stays_a_shift():
    network = network_of(AveragePool("pool", "input", (2, 2), 2, Tensor(3, 2, 3, 10, -2)))
    assert average_by_array(network, small_config()).layers == network.layers


@pytest.mark.parametrize(("layer", "message"), [
    (Concat("x", ("input",), IMAGE), "a concatenation has two inputs or more, not 1"),
    (Concat("x", ("input", "input"), IMAGE), r"the output's shape must be \(6, 4, 6\), not \(3, 4, 6\)"),
    (Concat("x", ("input", "input"), Tensor(6, 4, 6, 0, -18)), r"step of 'input' must be .* not 2\^-16"),
    (Upsample("x", "input", IMAGE), r"the output's shape must be \(3, 8, 12\), not \(3, 4, 6\)"),
    (Upsample("x", "input", Tensor(3, 8, 12, 0, -2)), "upsampling keeps zero_point and exponent"),
])
def test_broken_rules_are_named(layer, message):
    with pytest.raises(NetworkError, match=f"^layer 'x': .*{message}"):
        network_of(layer).check()
