import math

import pytest
import torch
from torch import nn

from nomul.sw.layers import L1Conv2d, ShiftConv2d
from nomul.sw.optimize import make_optimizer, make_schedule, parameter_groups
from nomul.sw.recipe import Recipe


def net():
    return nn.Sequential(ShiftConv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), L1Conv2d(4, 2, 6), nn.BatchNorm2d(2))


def by_parameter(model, recipe, key):
    return {id(parameter): group[key] for group in parameter_groups(model, recipe) for parameter in group["params"]}


def test_l1_weights_have_their_own_learning_rate():
    model, recipe = net(), Recipe()
    rates = by_parameter(model, recipe, "lr")
    assert rates.pop(id(model[3].weight)) == recipe.adder_learning_rate == 0.2
    assert set(rates.values()) == {recipe.learning_rate} == {4e-3}
    assert len(rates) == 5


def test_batch_norms_do_not_decay():
    model = net()
    decays = by_parameter(model, Recipe(weight_decay=0.1), "weight_decay")
    assert [decays[id(layer.weight)] for layer in (model[0], model[1], model[3], model[4])] == [0.1, 0, 0.1, 0]


def test_exponents_and_signs_have_their_own_learning_rate_and_do_not_decay():
    model, recipe = nn.Sequential(ShiftConv2d(1, 4, 3, form="ps"), L1Conv2d(4, 2, 6)), Recipe(weight_decay=0.1)
    for parameter in (model[0].exponent, model[0].sign):
        assert by_parameter(model, recipe, "lr")[id(parameter)] == recipe.exponent_learning_rate == 0.03
        assert by_parameter(model, recipe, "weight_decay")[id(parameter)] == 0
    assert by_parameter(model, recipe, "weight_decay")[id(model[1].weight)] == 0.1


def test_frozen_parameters_are_in_no_group():
    model = net()
    model[0].requires_grad_(False)
    assert id(model[0].weight) not in by_parameter(model, Recipe(), "lr")
    assert len(parameter_groups(nn.Sequential(ShiftConv2d(1, 1, 1)), Recipe())) == 1


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("radam", torch.optim.RAdam),
                                            ("sgd", torch.optim.SGD)])
def test_optimizers(name, kind):
    optimizer = make_optimizer(net(), Recipe(optimizer=name))
    assert type(optimizer) is kind
    assert name != "sgd" or (optimizer.defaults["momentum"], optimizer.defaults["nesterov"]) == (0.9, True)


def rates(recipe, steps_per_epoch):
    """The learning rate of every step."""
    optimizer = make_optimizer(nn.Sequential(ShiftConv2d(1, 1, 1)), recipe)
    schedule, seen = make_schedule(optimizer, recipe, steps_per_epoch), []
    for _ in range(recipe.epochs * steps_per_epoch):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_schedules():
    assert rates(Recipe(epochs=2, schedule="cosine", learning_rate=1), 2) == pytest.approx(
        [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2])
    assert rates(Recipe(epochs=4, schedule="steps", milestones=(1, 3), learning_rate=1), 2) == pytest.approx(
        [1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])
    one_cycle = rates(Recipe(epochs=10, learning_rate=1), 10)
    assert max(one_cycle) == pytest.approx(1, abs=1e-3)
    assert one_cycle.index(max(one_cycle)) in (29, 30)  # PyTorch's default: 30 % of the way up
    assert one_cycle[0] == pytest.approx(1 / 25)
