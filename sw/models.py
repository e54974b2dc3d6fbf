"""The networks that recipes name, built for the images of a data set."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from nomul.gen.spec.errors import NomulError
from nomul.sw import small
from nomul.sw.kinds import KINDS, Kind
from nomul.sw.lenet import lenet
from nomul.sw.mlp import mlp
from nomul.sw.mobilenet import mobilenet
from nomul.sw.recipe import Recipe
from nomul.sw.resnet import resnet18, resnet20
from nomul.sw.vgg import vgg_small

__all__ = ["NETWORKS", "ModelError", "build", "build_teacher"]

#: Of one shape, and only of these kinds.
_SMALL = {"adder": small.adder, "shift-q": small.shift, "shiftadd": small.shiftadd}

#: Of any kind: (layers, first and last layer, shape of the images, classes) to the network.
_GENERAL: dict[str, Callable[[Kind, Kind, tuple[int, int, int], int], nn.Module]] = {
    "lenet": lenet, "resnet20": resnet20, "resnet18": resnet18, "vgg-small": vgg_small, "mlp": mlp,
    "mobilenet": mobilenet}

#: What a recipe's `network` may be.
NETWORKS = ("small", *_GENERAL)

#: Pixels that a network takes in each direction at the least; fewer leave nothing of the map.
_SMALLEST = {"lenet": 3, "resnet20": 1, "resnet18": 3, "vgg-small": 8, "mlp": 1, "mobilenet": 1}


class ModelError(NomulError):
    """A network that does not exist, or not for these images."""


def build_teacher(recipe: Recipe, shape: tuple[int, int, int], classes: int, seed: int = 0) -> nn.Module | None:
    """The network that a recipe's learns from, as `build` makes it; None if there is none.

    Raises
    ------
    ModelError
        As `build`.
    """
    if not recipe.teacher:
        return None
    if recipe.teacher not in KINDS:
        raise ModelError(f"unknown teacher {recipe.teacher!r}; known are {', '.join(KINDS)}")
    return build(replace(recipe, kind=recipe.teacher), shape, classes, seed)


def build(recipe: Recipe, shape: tuple[int, int, int], classes: int, seed: int = 0) -> nn.Module:
    """The freshly initialized network of a recipe; the same seed gives the same weights.

    Parameters
    ----------
    recipe : Recipe
        Its `network`, `kind` and `keep_first_last` count.
    shape : tuple of int
        Of the images, (C, H, W).
    classes : int
        How many logits.

    Raises
    ------
    ModelError
        If there is no such network, kind of layers, or combination of the two; lists the known ones.
    """
    make = _maker(recipe, shape, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _maker(recipe: Recipe, shape: tuple[int, int, int], classes: int) -> Callable[[], nn.Module]:
    for key, known in {"network": NETWORKS, "kind": tuple(KINDS)}.items():
        if getattr(recipe, key) not in known:
            raise ModelError(f"unknown {key} {getattr(recipe, key)!r}; known are {', '.join(known)}")
    size = "×".join(map(str, shape))
    if recipe.network == "small":
        if recipe.kind not in _SMALL or recipe.keep_first_last:
            raise ModelError(f"the network small has layers of the kinds {', '.join(_SMALL)}, first and last included, "
                             f"not {recipe.kind}{' with others at the ends' * recipe.keep_first_last}; take lenet")
        if (shape, classes) != (small.SHAPE, small.CLASSES):
            raise ModelError(f"the network small takes images of {'×'.join(map(str, small.SHAPE))} in {small.CLASSES} "
                             f"classes, not of {size} in {classes}; take a recipe whose network is lenet")
        return _SMALL[recipe.kind]
    if min(shape[1:]) < _SMALLEST[recipe.network]:
        raise ModelError(f"the network {recipe.network} takes images of at least {_SMALLEST[recipe.network]} pixels in "
                         f"both directions, not of {size}")
    kind = KINDS[recipe.kind]
    ends = KINDS["conv"] if recipe.keep_first_last else kind
    return lambda: _GENERAL[recipe.network](kind, ends, shape, classes)
