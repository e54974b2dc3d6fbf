import dataclasses

import pytest
import torch
from torch import nn

from nomul.gen.presets import load_config
from nomul.sw.compile import compile_network
from nomul.sw.convert import convert
from nomul.sw.kinds import KINDS
from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear, SignConv2d, SignLinear
from nomul.sw.models import ModelError, build
from nomul.sw.quantize import QuantizationConfig, QuantizationError, quantize_
from nomul.sw.recipe import Recipe, load_recipe, recipe_names

L1, SHIFT, MULTIPLIES = (L1Conv2d, L1Linear), (ShiftConv2d, ShiftLinear), (nn.Conv2d, nn.Linear)
SIGN = (SignConv2d, SignLinear)
#: A convolution's layers, the classifier's.
OF_KIND = {"conv": ([MULTIPLIES], [MULTIPLIES]), "adder": ([L1], [L1]), "shift-q": ([SHIFT], [SHIFT]),
           "shift-ps": ([SHIFT], [SHIFT]), "shiftadd": ([SHIFT, L1], [SHIFT, L1]),
           "shiftadd-frozen": ([SHIFT, L1], [L1]), "sign": ([SIGN], [SIGN])}
SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32), "folder": (3, 64, 64)}
DEPLOYABLE = [name for name in recipe_names() if load_recipe(name).data in ("digits", "mnist")
              and load_recipe(name).kind != "conv"]


def made(name, **changes):
    recipe = dataclasses.replace(load_recipe(name), **changes)
    return build(recipe, SHAPES[recipe.data], 10)


def layers(model):
    """Layers with parameters, in order, without batch norms."""
    return [module for module in model.modules() if not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
            and list(module.parameters(recurse=False))]


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", recipe_names())
def test_all_layers_first_and_last_included_are_of_the_recipes_kind(name):
    recipe = load_recipe(name)
    convolution, classifier = OF_KIND[recipe.kind]
    convolutions = {"small": 3, "lenet": 4, "resnet20": 19 + 2, "resnet18": 17 + 3}[recipe.network]
    found, expected = layers(made(name)), convolution * convolutions + classifier
    assert len(found) == len(expected)
    assert all(isinstance(layer, kind) for layer, kind in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_papers_setting_keeps_multiplications_at_both_ends_and_nowhere_else(kind):
    found = layers(made(f"lenet-{kind}", keep_first_last=True))
    assert [isinstance(layer, MULTIPLIES) for layer in found] == \
        [True, *[kind == "conv"] * (len(found) - 2), True]


@pytest.mark.parametrize("name", recipe_names())
def test_images_become_logits(name):
    recipe = load_recipe(name)
    assert build(recipe, SHAPES[recipe.data], 10).eval()(torch.rand(2, *SHAPES[recipe.data])).shape == (2, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_fit_images_and_classes(kind):
    for network, shape in (("lenet", (1, 8, 8)), ("lenet", (3, 3, 5)), ("resnet20", (3, 5, 4)),
                           ("vgg-small", (3, 8, 17)), ("mlp", (1, 1, 3))):
        model = build(Recipe(network=network, kind=kind), shape, 7)
        assert model.eval()(torch.rand(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize(("name", "number"), [
    ("lenet-adder", 42_948), ("lenet-shift-q", 42_948), ("lenet-shiftadd", 49_448), ("lenet-shiftadd-frozen", 49_348)])
def test_lenets_have_at_most_50_000_parameters(name, number):
    assert parameters(made(name)) == number


def test_residual_networks_have_the_sizes_that_are_known():
    # He et al. count 0.27 M for ResNet-20 with parameterless shortcuts; two 1×1 convolutions with their norms and the
    # norm of the logits come on top, and the classifier has no bias.
    assert parameters(made("resnet20-conv")) == 269_722 - 10 + 20 + (16 * 32 + 64) + (32 * 64 + 128)
    # 11.69 M with a classifier for 1000 classes (11,689,512 in PyTorch's model zoo); here for 10.
    assert parameters(made("resnet18-conv")) == 11_689_512 - 512_000 - 1000 + 5120 + 20


@pytest.mark.parametrize("name", DEPLOYABLE)
def test_names_in_the_state_say_what_they_are(name):
    state = made(name).state_dict()
    assert all(path.split(".")[0] in ("block1", "block2", "block3", "block4", "classifier") for path in state)
    assert {path.split(".")[1] for path in state} <= {"adder", "shift", "sign", "norm"}


@pytest.mark.parametrize("name", DEPLOYABLE)
def test_its_configuration_holds_the_network(name):
    model = made(name)
    shape = SHAPES[load_recipe(name).data]
    quantize_(model, torch.rand(64, *shape), QuantizationConfig())
    config = load_config("mnist" if name.startswith("lenet") else "demo")
    assert compile_network(convert(model, name), config).classes == 10


@pytest.mark.parametrize("kind", ["adder", "shift-q", "shift-ps"])
def test_residual_networks_are_quantized(kind):
    model = made(f"resnet20-{kind}").eval()
    images = torch.rand(4, 3, 32, 32)
    network = convert(quantize_(model, images, QuantizationConfig()), kind)
    assert len(network.layers) == 22 + 9 + 1  # layers, sums, the average


@pytest.mark.parametrize(("name", "layer"), [("lenet-conv", "block1.conv"), ("lenet-adder", "block1.conv")])
def test_a_network_that_multiplies_is_not_quantized(name, layer):
    with pytest.raises(QuantizationError, match=f"'{layer}': Conv2d is not supported; it multiplies"):
        quantize_(made(name, keep_first_last=True), torch.rand(4, 1, 28, 28), QuantizationConfig())


def test_frozen_shift_layers_are_not_trained():
    frozen = {name for name, parameter in made("lenet-shiftadd-frozen").named_parameters()
              if not parameter.requires_grad}
    assert frozen == {f"block{number}.shift.weight" for number in range(1, 5)}


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    states = [build(load_recipe("shiftadd"), (1, 8, 8), 10, seed).state_dict() for seed in (1, 1, 2)]
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert not torch.equal(states[0]["block1.shift.weight"], states[2]["block1.shift.weight"])


@pytest.mark.parametrize(("recipe", "shape", "message"), [
    (Recipe(network="vgg"), (1, 8, 8), "unknown network 'vgg'; known are small, lenet, resnet20, resnet18"),
    (Recipe(kind="xnor"), (1, 8, 8), "unknown kind 'xnor'; known are conv, adder, shift-q"),
    (Recipe(), (1, 28, 28), "takes images of 1×8×8 in 10 classes, not of 1×28×28 in 10; take a recipe whose"),
    (Recipe(kind="conv"), (1, 8, 8), "has layers of the kinds adder, shift-q, shiftadd, first and last included, not"),
    (Recipe(keep_first_last=True), (1, 8, 8), "not adder with others at the ends; take lenet"),
    (Recipe(network="vgg-small"), (3, 8, 7), "takes images of at least 8 pixels in both directions, not of 3×8×7"),
    (Recipe(network="lenet"), (1, 2, 8), "takes images of at least 3 pixels in both directions, not of 1×2×8"),
])
def test_mistake_is_one_line(recipe, shape, message):
    with pytest.raises(ModelError, match=message):
        build(recipe, shape, 10)
