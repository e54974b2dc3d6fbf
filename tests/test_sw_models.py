import pytest
import torch
from torch import nn

from nomul.gen.presets import load_config
from nomul.sw.compile import compile_network
from nomul.sw.convert import convert
from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear
from nomul.sw.models import MODELS, ModelError, build, image_shape
from nomul.sw.quantize import QuantizationConfig, quantize_

L1, SHIFT = (L1Conv2d, L1Linear), (ShiftConv2d, ShiftLinear)


def layers(name):
    """Layers with parameters, in order, without batch norms."""
    return [module for module in build(name).modules() if not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
            and list(module.parameters(recurse=False))]


@pytest.mark.parametrize(("name", "kinds"), [
    ("adder", [L1] * 4), ("shift", [SHIFT] * 4), ("shiftadd", [SHIFT, L1] * 4),
    ("lenet-adder", [L1] * 5), ("lenet-shift", [SHIFT] * 5), ("lenet-shiftadd", [SHIFT, L1] * 5)])
def test_every_layer_is_free_of_multiplications(name, kinds):
    found = layers(name)
    assert len(found) == len(kinds)
    assert all(isinstance(layer, kind) for layer, kind in zip(found, kinds, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_images_become_ten_logits(name):
    assert build(name).eval()(torch.rand(3, *image_shape(name))).shape == (3, 10)


@pytest.mark.parametrize(("name", "parameters"), [("lenet-adder", 42_948), ("lenet-shift", 42_948),
                                                  ("lenet-shiftadd", 49_448)])
def test_lenets_have_at_most_50_000_parameters(name, parameters):
    assert sum(parameter.numel() for parameter in build(name).parameters()) == parameters


@pytest.mark.parametrize("name", MODELS)
def test_names_in_the_state_say_what_they_are(name):
    state = build(name).state_dict()
    assert all(path.split(".")[0] in ("block1", "block2", "block3", "block4", "classifier") for path in state)
    assert {path.split(".")[1] for path in state} <= {"adder", "shift", "norm"}


@pytest.mark.parametrize("name", MODELS)
def test_its_configuration_holds_the_network(name):
    model = quantize_(build(name), torch.rand(64, *image_shape(name)), QuantizationConfig())
    config = load_config("mnist" if name.startswith("lenet") else "demo")
    compiled = compile_network(convert(model, name), config)
    assert compiled.classes == 10


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    states = [build("shiftadd", seed).state_dict() for seed in (1, 1, 2)]
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert not torch.equal(states[0]["block1.shift.weight"], states[2]["block1.shift.weight"])


def test_an_unknown_model_is_refused_with_the_known_ones():
    for function in (build, image_shape):
        with pytest.raises(ModelError, match="unknown model 'resnet'; known are adder, shift, shiftadd, lenet-adder"):
            function("resnet")
