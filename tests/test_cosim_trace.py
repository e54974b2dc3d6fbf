"""Every tensor of simulated hardware against the golden model; a difference is found where it was made."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.differences import Difference, differing_bits, first_difference
from nomul.cosim.link import SimulationLink
from nomul.cosim.random_network import random_codes, random_network
from nomul.cosim.trace import TracingBoard, trace_tensors
from nomul.gen.cli import main
from nomul.gen.presets import load_config
from nomul.gen.spec.operators import Operator
from nomul.gen.spec.program import pack
from nomul.gen.spec.registers import Region
from nomul.sw import golden, reference
from nomul.sw.compile import compile_network
from nomul.sw.cycles import predict
from nomul.sw.driver.board import Board, BoardError
from nomul.sw.network import ArrayLayer

from .conftest import tiny_network

CONFIG = load_config("tiny")


@pytest.fixture(scope="module")
def link():
    return SimulationLink(CONFIG)


def changed(network, layer, **fields):
    """The network with other values in the fields of one layer."""
    layers = tuple(replace(old, **fields) if old.name == layer else old for old in network.layers)
    return replace(network, layers=layers)


def test_first_difference_is_the_first_channel_row_and_column():
    golden_codes = np.zeros((3, 4, 5), np.uint8)
    hardware = golden_codes.copy()
    assert first_difference(7, "conv", golden_codes, hardware) is None
    hardware[2, 0, 0] = hardware[1, 3, 2] = hardware[1, 3, 4] = 9
    found = first_difference(7, "conv", golden_codes, hardware)
    assert found == Difference(7, "conv", 1, 3, 2, 0, 9)
    assert str(found) == "image 7, layer conv, channel 1, pixel (y 3, x 2): golden 0, hardware 9"


def test_bits_are_counted_in_codes_of_eight_bits_too():
    assert differing_bits(np.array([0, 255], np.uint8), np.array([3, 0], np.uint8)) == 2 + 8


@pytest.mark.cosim
@pytest.mark.parametrize("seed", range(6))
def test_all_tensors_are_those_of_the_reference_and_layers_take_the_predicted_cycles(link, seed):
    network = random_network(seed, CONFIG)
    compiled, codes = compile_network(network, CONFIG), random_codes(seed, network, 3)
    expected = reference.trace(network, codes)
    traces = list(TracingBoard(link).trace(compiled, codes))
    *layers, end = predict(compiled)
    for image, trace in enumerate(traces):
        for name, right in list(expected.items())[1:]:
            np.testing.assert_array_equal(right[image], trace.tensors[name], err_msg=name)
            assert trace.tensors[name].dtype == right.dtype
        assert trace.cycles == [layer.total + end.total for layer in layers]


@pytest.mark.cosim
def test_every_value_is_compared(link):
    network = tiny_network()
    codes = random_codes(0, network, 17)
    result = trace_tensors(link, compile_network(network, CONFIG), network, codes)
    # Layers conv, pool, adder, sign and logits of `tiny_network`.
    assert result.values == 17 * (6 * 64 + 6 * 16 + 5 * 4 + 5 * 4 + 10)
    assert (result.images, result.tensors) == (17, 17 * 5)
    assert (result.differing_bits, result.differing_images, result.first) == (0, 0, None)


def first_place(name, right, wrong):
    """The first difference of two traces that agree before the layer `name`."""
    image, channel, y, x = np.argwhere(right[name] != wrong[name])[0]
    place = (image, channel, y, x)
    return Difference(image, name, channel, y, x, right[name][place], wrong[name][place])


@pytest.mark.cosim
@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize("seed", [0, 4, 5, 7])
def test_weights_changed_after_compiling_are_found_at_their_layer_channel_and_pixel(link, seed, which):
    network = random_network(seed, CONFIG)
    compiled, codes = compile_network(network, CONFIG), random_codes(seed, network, 3)
    layer = [layer for layer in network.layers if isinstance(layer, ArrayLayer)][which]
    channel = layer.output.channels - 1
    weight = layer.weight.copy()
    weight[channel] = weight[channel].max() - weight[channel] if layer.operator is Operator.L1 else -weight[channel]
    other = changed(network, layer.name, weight=weight)
    result = trace_tensors(link, compiled, other, codes)
    assert result.first == first_place(layer.name, reference.trace(other, codes), reference.trace(network, codes))
    assert result.first.channel == channel
    assert result.differing_bits > 0


@pytest.mark.cosim
def test_changed_weight_memory_is_found_at_its_layer_channel_and_pixel(link, monkeypatch):
    network = tiny_network()
    compiled, codes = compile_network(network, CONFIG), random_codes(0, network, 3)
    weight = network.layers[0].weight.copy()
    # Another exponent and the same sign: the constants that the compiler makes of it stay.
    weight[4, 0, 1, 2] = weight[4, 0, 1, 2] * 2 if abs(weight[4, 0, 1, 2]) < 128 else weight[4, 0, 1, 2] // 2
    other = changed(network, "conv", weight=weight)
    damaged = compile_network(other, CONFIG)
    place, = np.flatnonzero((damaged.weights != compiled.weights).any(axis=1))
    push = TracingBoard.push

    def damage(board, *pushed):
        push(board, *pushed)
        board.write(Region.WEIGHTS, int(place), damaged.weights[place].tobytes())

    monkeypatch.setattr(TracingBoard, "push", damage)
    result = trace_tensors(link, compiled, network, codes)
    assert result.first == first_place("conv", reference.trace(network, codes), reference.trace(other, codes))
    assert result.first.channel == 4


@pytest.mark.cosim
def test_descriptor_that_reads_from_another_place_shows_at_that_layer(link):
    network = tiny_network()
    compiled, codes = compile_network(network, CONFIG), random_codes(0, network, 2)
    descriptors = compiled.descriptors()
    descriptors[1]["input_base"] += compiled.tensors["conv"]["channel_words"]
    program = np.array([pack(**fields) for fields in descriptors], np.uint32)
    result = trace_tensors(link, replace(compiled, program=program), network, codes)
    exact = reference.trace(network, codes)
    # Every window of the 2 × 2 pool begins a pixel later.
    later = np.roll(exact["conv"], -1, axis=3).reshape(2, 6, 4, 2, 4, 2).max(axis=(3, 5))
    inner = np.argwhere((later != exact["pool"])[..., :3])[0]
    assert result.first.layer == "pool"
    assert [result.first.image, result.first.channel, result.first.y, result.first.x] == inner.tolist()
    assert result.first.hardware == later[tuple(inner)]


@pytest.mark.cosim
def test_nobody_takes_the_board_for_one_that_holds_the_network(link):
    network = tiny_network()
    compiled = compile_network(network, CONFIG)
    trace_tensors(link, compiled, network, random_codes(0, network, 1))
    with pytest.raises(BoardError, match="not tiny"):
        Board(link).use(compiled)


@pytest.mark.cosim
def test_command_counts_tensors_and_says_1_and_where_the_first_difference_is(network, tmp_path, monkeypatch, capsys):
    path = tmp_path / "result.json"
    arguments = ["cosim", str(network), "--config", "tiny", "--images", "4", "--trace-tensors", "--json", str(path)]
    assert main(arguments) == 0
    result = json.loads(path.read_text())
    assert (result["images"], result["tensors"], result["values"]) == (4, 20, 4 * 530)
    assert (result["differing_bits"], result["differing_images"], result["first_difference"]) == (0, 0, None)
    exact = golden.trace

    def trace(*inputs):
        tensors = exact(*inputs)
        tensors["sign"][2, 4, 1, 0] ^= 5
        return tensors

    capsys.readouterr()
    monkeypatch.setattr(golden, "trace", trace)
    assert main(arguments) == 1
    result = json.loads(path.read_text())
    assert (result["differing_bits"], result["differing_images"]) == (2, 1)
    first = result["first_difference"]
    assert [first[key] for key in ("image", "layer", "channel", "y", "x")] == [2, "sign", 4, 1, 0]
    assert first["golden"] ^ first["hardware"] == 5
    assert "image 2, layer sign, channel 4, pixel (y 1, x 0): golden " in capsys.readouterr().out


@pytest.mark.parametrize(("images", "message"), [("0", "--images must be at least 1, not 0"), ("-3", "not -3"),
                                                 ("none.npy", "no file none.npy; check the path")])
def test_images_are_a_number_of_at_least_1_or_a_file(network, images, message, capsys):
    assert main(["cosim", str(network), "--config", "tiny", f"--images={images}"]) == 2
    assert message in capsys.readouterr().err
