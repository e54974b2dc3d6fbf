"""What a recipe's optimizer and schedule are in PyTorch."""

import math
from bisect import bisect_right

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear
from nomul.sw.recipe import Recipe

__all__ = ["make_optimizer", "make_schedule", "parameter_groups"]

_MOMENTUM = 0.9


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict]:
    """The parameters that are trained, in groups with their own rate `lr` and `weight_decay`.

    L1 weights have a rate of their own, and so have the exponents and signs of shift layers; the latter and the
    parameters of batch norms do not decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for module in model.modules():
        rate, decay = recipe.learning_rate, recipe.weight_decay
        if isinstance(module, L1Conv2d | L1Linear):
            rate = recipe.adder_learning_rate
        elif isinstance(module, ShiftConv2d | ShiftLinear) and module.form == "ps":
            rate, decay = recipe.exponent_learning_rate, 0.0
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            decay = 0.0
        chosen = [parameter for parameter in module.parameters(recurse=False) if parameter.requires_grad]
        if chosen:
            groups.setdefault((rate, decay), []).extend(chosen)
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer of a recipe for the parameters of a model."""
    groups = parameter_groups(model, recipe)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=_MOMENTUM, nesterov=True)
    return torch.optim.Adam(groups) if recipe.optimizer == "adam" else torch.optim.RAdam(groups)


def make_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps_per_epoch: int) -> LRScheduler:
    """The schedule of a recipe, to be moved on after every step; it depends on nothing but the number of the step."""
    steps = recipe.epochs * steps_per_epoch
    if recipe.schedule == "one-cycle":
        return OneCycleLR(optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=steps)
    if recipe.schedule == "cosine":
        return LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    return LambdaLR(optimizer, lambda step: 0.1 ** bisect_right(recipe.milestones, step // steps_per_epoch))
