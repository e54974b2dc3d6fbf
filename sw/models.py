"""Networks by name, in all of which every layer, first and last included, is free of multiplications.

Here are the small ones for 8×8 digits: three convolution blocks and a classifier over what is left of the map; a
batch norm follows every layer (in `shiftadd` every pair of layers), the logits included. Those for 28×28 are in
`nomul.sw.lenet`.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from nomul.gen.spec.errors import NomulError
from nomul.sw import lenet
from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear

__all__ = ["MODELS", "Model", "ModelError", "build", "image_shape"]


class ModelError(NomulError):
    """A model that does not exist."""


class Model(NamedTuple):
    """Shape (C, H, W) of the images that a network takes, and what makes it."""

    shape: tuple[int, int, int]
    make: Callable[[], nn.Module]


def _block(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def _adder() -> nn.Module:
    """L1 layers throughout (AdderNet)."""
    return _block(
        block1=_block(adder=L1Conv2d(1, 16, 3, padding=1), norm=nn.BatchNorm2d(16), relu=nn.ReLU()),
        block2=_block(adder=L1Conv2d(16, 32, 3, padding=1, stride=2), norm=nn.BatchNorm2d(32), relu=nn.ReLU()),
        block3=_block(adder=L1Conv2d(32, 32, 3, padding=1), norm=nn.BatchNorm2d(32), relu=nn.ReLU(),
                      pool=nn.MaxPool2d(2)),
        classifier=_block(flatten=nn.Flatten(), adder=L1Linear(128, 10), norm=nn.BatchNorm1d(10)),
    )


def _shift() -> nn.Module:
    """Power-of-two layers throughout (DeepShift-Q)."""
    return _block(
        block1=_block(shift=ShiftConv2d(1, 24, 3, padding=1), norm=nn.BatchNorm2d(24), relu=nn.ReLU()),
        block2=_block(shift=ShiftConv2d(24, 48, 3, padding=1, stride=2), norm=nn.BatchNorm2d(48), relu=nn.ReLU()),
        block3=_block(shift=ShiftConv2d(48, 48, 3, padding=1), norm=nn.BatchNorm2d(48), relu=nn.ReLU(),
                      pool=nn.AvgPool2d(2)),
        classifier=_block(flatten=nn.Flatten(), shift=ShiftLinear(192, 10), norm=nn.BatchNorm1d(10)),
    )


def _shiftadd() -> nn.Module:
    """Each shift layer directly followed by an L1 layer (ShiftAddNet), then batch norm."""
    return _block(
        block1=_block(shift=ShiftConv2d(1, 16, 3, padding=1), adder=L1Conv2d(16, 16, 1),
                      norm=nn.BatchNorm2d(16), relu=nn.ReLU()),
        block2=_block(shift=ShiftConv2d(16, 32, 3, padding=1, stride=2), adder=L1Conv2d(32, 32, 1),
                      norm=nn.BatchNorm2d(32), relu=nn.ReLU()),
        block3=_block(shift=ShiftConv2d(32, 32, 3, padding=1), adder=L1Conv2d(32, 32, 1),
                      norm=nn.BatchNorm2d(32), relu=nn.ReLU(), pool=nn.MaxPool2d(2)),
        classifier=_block(flatten=nn.Flatten(), shift=ShiftLinear(128, 16), adder=L1Linear(16, 10),
                          norm=nn.BatchNorm1d(10)),
    )


_DIGITS, _MNIST = (1, 8, 8), (1, 28, 28)

#: All networks; the first three are the demo's.
MODELS = {
    "adder": Model(_DIGITS, _adder),
    "shift": Model(_DIGITS, _shift),
    "shiftadd": Model(_DIGITS, _shiftadd),
    "lenet-adder": Model(_MNIST, lenet.adder),
    "lenet-shift": Model(_MNIST, lenet.shift),
    "lenet-shiftadd": Model(_MNIST, lenet.shiftadd),
}


def build(name: str, seed: int = 0) -> nn.Module:
    """A freshly initialized network; the same seed gives the same weights.

    Raises
    ------
    ModelError
        For an unknown name; lists the known ones.
    """
    model = _model(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model.make()


def image_shape(name: str) -> tuple[int, int, int]:
    """Shape (C, H, W) of the images that a network takes.

    Raises
    ------
    ModelError
        As `build`.
    """
    return _model(name).shape


def _model(name: str) -> Model:
    if name not in MODELS:
        raise ModelError(f"unknown model {name!r}; known are {', '.join(MODELS)}")
    return MODELS[name]
