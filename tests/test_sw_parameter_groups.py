import pytest
import torch
from torch import nn

from nomul.sw.geometry import LayerError
from nomul.sw.layers import L1Conv2d, L1Linear, PowerSumLinear, ShiftConv2d, ShiftLinear, SignConv2d
from nomul.sw.parameter_groups import exponent_penalty, parameter_groups
from nomul.sw.prune import prune_


def model():
    return nn.Sequential(ShiftConv2d(1, 2, 3, form="ps", bias=True), L1Conv2d(2, 2, 3), nn.BatchNorm2d(2),
                         ShiftConv2d(2, 2, 1), SignConv2d(2, 2, 1), ShiftConv2d(2, 2, 1, form="frozen"), nn.Flatten(),
                         PowerSumLinear(2, 2, scheme="apot"), L1Linear(2, 2))


def names(network, groups):
    by_tensor = {parameter: name for name, parameter in network.named_parameters()}
    return {group["name"]: [by_tensor[parameter] for parameter in group["params"]] for group in groups}


def test_every_parameter_is_in_the_group_of_its_kind():
    network = model()
    assert names(network, parameter_groups(network)) == {
        "exponent": ["0.exponent"], "sign": ["0.sign"], "l1": ["1.weight", "8.weight"],
        "latent": ["3.weight", "4.weight", "7.weight"], "other": ["0.bias", "2.weight", "2.bias", "7.alpha"]}


def test_pruned_weights_stay_in_their_groups():
    network = prune_(model(), 0.5)
    assert names(network, parameter_groups(network)) == {
        "exponent": ["0.exponent"], "sign": ["0.parametrizations.sign.original"],
        "l1": ["1.parametrizations.weight.original", "8.parametrizations.weight.original"],
        "latent": ["3.parametrizations.weight.original", "4.weight", "7.weight"],
        "other": ["0.bias", "2.weight", "2.bias", "7.alpha"]}


def test_a_single_layer_has_groups_too():
    layer = L1Linear(2, 2)
    assert names(layer, parameter_groups(layer)) == {"l1": ["weight"]}


def test_settings_and_the_lack_of_weight_decay_reach_the_optimizer():
    groups = parameter_groups(model(), l1={"lr": 0.5}, sign={"lr": 0.01, "weight_decay": 0.3})
    optimizer = torch.optim.SGD(groups, lr=0.1, weight_decay=1e-4)
    found = {group["name"]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups}
    assert found == {"l1": (0.5, 1e-4), "exponent": (0.1, 0), "sign": (0.01, 0.3), "latent": (0.1, 1e-4),
                     "other": (0.1, 1e-4)}


def test_parameters_without_a_gradient_are_left_out():
    network = model()
    network[1].weight.requires_grad_(False)
    assert names(network, parameter_groups(network))["l1"] == ["8.weight"]


def test_unknown_groups_are_refused():
    with pytest.raises(LayerError, match="unknown group 'shift' of parameters; known are l1, exponent, sign, latent"):
        parameter_groups(model(), shift={"lr": 1})


def test_the_exponents_penalty_is_deepshifts():
    layer = ShiftLinear(2, 1, form="ps")
    with torch.no_grad():
        layer.exponent.copy_(torch.tensor([[-1.0, -3.0]]))
    assert exponent_penalty(nn.Sequential(layer), 0.1).item() == pytest.approx(0.05 * (1 / 4 + 1 / 64))
    assert exponent_penalty(nn.Sequential(ShiftLinear(2, 1)), 0.1).item() == 0
