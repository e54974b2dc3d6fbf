from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.random_layer import random_array_layer
from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.spec.operators import Operator
from nomul.sw import golden, reference
from nomul.sw.compile import compile_network
from nomul.sw.lower_window import lanes_of
from nomul.sw.machine import Machine
from nomul.sw.network import IntegerNetwork, Tensor

from .hardware import packed_image, small_config

CONFIGS = {
    "4x4": {},
    "8x4": {"lanes": 8, "activation_bits": 4, "l1_weight_bits": 4},
    "4x8": {"columns": 8, "activation_bits": 5, "l1_weight_bits": 3, "shift_exponents": 2, "accumulator_bits": 18},
    "8x8": {"lanes": 8, "columns": 8, "activation_bits": 6, "l1_weight_bits": 6, "operators": ("l1", "shift")},
    "16x2": {"lanes": 16, "columns": 2, "activation_bits": 7, "l1_weight_bits": 7, "accumulator_bits": 40},
    "2x16": {"lanes": 2, "columns": 16, "operators": ("sign", "l1")},
    "8x2 unified": {"lanes": 8, "columns": 2, "operators": ("l1", "sign"), "unified": True},
    "4x4 minimum": {"operators": ("l1",), "l1_minimum": True},
}


def configuration(shape):
    return small_config(weight_words=8192, parameter_words=512, activation_words=1024, program_layers=32,
                        **CONFIGS[shape])


@pytest.mark.parametrize("shape", CONFIGS)
@pytest.mark.parametrize("seed", range(16))
def test_machine_golden_model_and_reference_agree_on_every_tensor(shape, seed):
    config = configuration(shape)
    network = random_network(seed, config)
    codes = random_codes(seed, network, 2)
    expected = golden.trace(network, codes)
    for name, tensor in reference.trace(network, codes).items():
        assert np.array_equal(tensor, expected[name]), name

    machine = Machine(config)
    compiled = compile_network(network, config)
    machine.load(compiled)
    # What the memory held before must not matter.
    machine.activations[:] = np.random.default_rng(seed).integers(0, network.largest_code + 1,
                                                                  machine.activations.shape)
    for n, image in enumerate(codes):
        for name, tensor in machine.trace(image).items():
            if name.endswith(" closed"):    # only the compiler knows of it
                continue
            lanes = lanes_of(compiled.tensors[name]["segments"], config.lanes)
            right = packed_image(compiled, image) if name == "input" else expected[name][n]
            assert np.array_equal(tensor[lanes], right), name
            assert (np.delete(tensor, lanes, axis=0) == network.tensors[name].zero_point).all(), name
        logits, top = machine.run(image)
        assert np.array_equal(logits, expected[network.layers[-1].name][n, :, 0, 0])
        assert top == np.argmax(logits)


@pytest.mark.parametrize("fields", [{}, {"l1_minimum": True}, {"unified": True, "operators": ("l1", "sign")}], ids=str)
@pytest.mark.parametrize("channels", [3, 4, 11])
def test_depthwise_layers_read_every_word_once_where_the_array_can(fields, channels):
    config = small_config(**({"operators": ("l1",)} | fields), activation_words=512, weight_words=1024,
                          accumulator_bits=20)
    image = Tensor(channels, 5, 6, 9)
    for operator in map(Operator.from_key, config.operators):
        chance = np.random.default_rng(channels)
        depthwise = random_array_layer(chance, config, "depthwise", image, "input", operator=operator,
                                       channels=channels, kernel=(3, 3), stride=1, padding=1, dilation=1,
                                       groups=channels)
        logits = random_array_layer(chance, config, "logits", depthwise.output, "depthwise", operator=operator,
                                    channels=3, kernel=(5, 6), stride=1, padding=0, dilation=1, groups=1, logits=True)
        network = IntegerNetwork("depthwise", 8, image, (depthwise, logits), {})
        codes = random_codes(1, network, 3)
        tiles = []
        for each in (config, replace(config, depthwise_l1=True)):
            compiled, machine = compile_network(network, each), Machine(each)
            machine.load(compiled)
            for one, expected in zip(codes, golden.run(network, codes), strict=True):
                np.testing.assert_array_equal(machine.run(one)[0], expected)
            tiles.append(compiled.descriptors()[0]["tiles"])
        assert tiles == [2 * 9 * depthwise.terms, 9 * depthwise.terms]


def test_machine_refuses_a_network_for_another_configuration():
    config = configuration("4x4")
    with pytest.raises(ValueError, match="this machine is"):
        Machine(configuration("8x8")).load(compile_network(random_network(0, config), config))


def test_second_network_runs_on_the_same_machine():
    config = configuration("8x8")
    machine = Machine(config)
    for seed in (3, 4, 3):
        network = random_network(seed, config)
        codes = random_codes(seed, network, 1)
        machine.load(compile_network(network, config))
        assert np.array_equal(machine.run(codes[0])[0], golden.run(network, codes)[0])
