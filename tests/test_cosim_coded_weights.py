"""Entropy-coded weights from the host driver to the weight memory of the simulated accelerator."""

import random
from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.link import SimulationLink
from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.presets import load_config
from nomul.gen.spec.registers import Region
from nomul.sw import golden
from nomul.sw.coded_weights import coded_stream
from nomul.sw.compile import compile_network
from nomul.sw.driver.board import Board
from nomul.sw.driver.device_model import DeviceModel

from .conftest import tiny_network
from .faults import FaultyLink

CONFIG = replace(load_config("tiny"), name="tiny_decoder", weight_decoder=True)


class CountingLink:
    """Another link, and how many bytes went to the board."""

    def __init__(self, link):
        self.link, self.bytes = link, 0

    def write(self, data):
        self.bytes += len(data)
        self.link.write(data)

    def read(self, timeout):
        return self.link.read(timeout)

    def close(self):
        self.link.close()


@pytest.fixture(scope="module")
def simulation():
    return SimulationLink(CONFIG)


def few_weights():
    """The tiny network with weights that are mostly the same, as a trained one's are."""
    network = tiny_network()
    layers = []
    for layer in network.layers:
        if hasattr(layer, "weight"):
            rare = np.random.default_rng(1).random(layer.weight.shape) < 0.2
            layer = replace(layer, weight=np.where(rare, layer.weight, layer.weight.flat[0]).astype(np.int16))
        layers.append(layer)
    return replace(network, layers=tuple(layers))


@pytest.mark.cosim
@pytest.mark.parametrize("seed", range(4))
def test_coded_weights_arrive_and_the_network_runs(simulation, seed):
    network = few_weights() if seed == 0 else random_network(seed, CONFIG)
    compiled, codes = compile_network(network, CONFIG), random_codes(seed, network, 3)
    link = CountingLink(simulation)
    board = Board(link)
    board.push(compiled)    # which asks for the weights' checksums
    assert board.read(Region.WEIGHTS, 0, len(compiled.weights)) == compiled.weights.tobytes()
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))
    if seed == 0:
        assert len(coded_stream(compiled)) < 0.6 * compiled.weights.size
        coded = link.bytes
        plain = CountingLink(SimulationLink(load_config("tiny")))
        Board(plain).push(compile_network(network, load_config("tiny")))
        assert coded < plain.bytes


@pytest.mark.cosim
@pytest.mark.parametrize("seed", range(4))
def test_with_faults_the_weights_are_right(simulation, seed):
    random.seed(seed)
    network = few_weights()
    compiled, codes = compile_network(network, CONFIG), random_codes(seed, network, 2)
    Board(simulation).write(Region.REGISTERS, 0, bytes(4))
    board = Board(FaultyLink(simulation, 0.001, seed), timeout=0.05)
    board.push(compiled)
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))


def test_the_model_of_the_device_decodes_as_the_gateware_does():
    compiled = compile_network(few_weights(), CONFIG)
    model = DeviceModel(CONFIG, lambda memories: ([0], 1))
    Board(model).push(compiled)
    assert bytes(model.memories[Region.WEIGHTS]).startswith(compiled.weights.tobytes())
    assert len(model._coded) == len(coded_stream(compiled))


def test_without_a_decoder_weights_go_as_they_are():
    config = load_config("tiny")
    model = DeviceModel(config, lambda memories: ([0], 1))
    compiled = compile_network(few_weights(), config)
    Board(model).push(compiled)
    assert bytes(model.memories[Region.WEIGHTS]).startswith(compiled.weights.tobytes())
    assert not model._coded
