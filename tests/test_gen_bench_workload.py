# amaranth: UnusedElaboratable=no
"""Data for energy: those of trained layers, in the codes that each array takes."""

import numpy as np
import pytest
from amaranth.back import rtlil

from nomul.gen.bench.harness import Harness
from nomul.gen.bench.pes import Size, build_array
from nomul.gen.bench.workload import load_layer, stimulus, weights_of

SIZE = Size(4, 2)


def values(bits, width):
    return (bits.reshape(*bits.shape[:2], -1, width) << np.arange(width)).sum(axis=-1)


@pytest.mark.parametrize("l1", [False, True])
def test_layer_is_a_trained_one_with_sparse_activations(l1):
    layer = load_layer(l1, 8, 8)
    assert layer.activations.shape == (4 * 4 * 4, 9 * 32)          # 4 images of 4 × 4 pixels
    assert layer.weights.shape == (32, 9 * 32)
    assert layer.activations.min() == 0
    assert 64 <= layer.activations.max() <= 255
    assert 0.3 < (layer.activations == 0).mean() < 0.9             # after a ReLU, with padding


def test_successive_pixels_see_the_same_activation_one_column_on():
    activations = load_layer(False, 8, 8).activations.reshape(4, 4, 4, 3, 3, 32)
    assert (activations[:, :, :-1, :, 1:] == activations[:, :, 1:, :, :-1]).all()
    assert activations[:, :, :-1, :, 1:].any()


@pytest.mark.parametrize(("name", "allowed"), [
    ("l1", set(range(256))), ("sign", {-1, 1}), ("multiplier-rows", set(range(-127, 128))),
    ("shift4", {0} | {sign << p for sign in (1, -1) for p in range(4)}),
    ("shift8", {0} | {sign << p for sign in (1, -1) for p in range(8)}),
])
def test_weights_are_those_that_the_array_takes_and_use_its_range(name, allowed):
    weights = weights_of(name, load_layer(name == "l1", 8, 8), SIZE)
    assert set(np.unique(weights)) <= allowed
    assert np.abs(weights).max() == max(allowed)


@pytest.mark.parametrize("name", ["l1", "sign", "shift8", "unified", "textbook", "multiplier-rows",
                                  "multiplier-merged"])
def test_stimulus_is_the_layer_for_every_input_of_the_frame(name):
    array = build_array(name, "generic", SIZE)
    frame = Harness(array, registers=False)
    given = stimulus(name, array, SIZE)
    assert "rst" in rtlil.convert(frame)
    widths = {"activations": 32, "weights": 8 * array.weight_bits, "first": 1, "rst": 1}
    assert {port: bits.shape[2] for port, bits in given.items()} == widths
    assert len({bits.shape[:2] for bits in given.values()}) == 1

    ours = name in ("l1", "sign", "shift8", "unified")
    layer = load_layer(name in ("l1", "unified", "textbook"), 8, 8)
    activations = values(given["activations"], 8)
    assert ((255 - activations if ours else activations)[:, 0] == layer.activations[:, :4]).all()
    assert ((255 - activations if ours else activations)[:, 1] == layer.activations[:, 4:8]).all()
    assert (given["weights"] == given["weights"][:1]).all()        # a tile stays
