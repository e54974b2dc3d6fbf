"""LeNet-like networks for 28×28 digits, at most 50 000 parameters, in which every layer is free of multiplications.

Four 3×3 convolutions take the map to 4×4, a classifier reads it whole; a batch norm follows every layer (in `shiftadd`
every pair of layers), the logits included.
"""

from collections import OrderedDict
from collections.abc import Callable

from torch import nn

from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear

__all__ = ["adder", "shift", "shiftadd"]

Layers = dict[str, nn.Module]

#: Of each convolution: input channels, output channels, stride, and the pooling's factor after it (1 is none).
_CONVOLUTIONS = ((1, 16, 2, 1), (16, 32, 1, 2), (32, 32, 1, 1), (32, 64, 2, 1))
_FEATURES = 64 * 4 * 4
_CLASSES = 10


def adder() -> nn.Module:
    """L1 layers throughout (AdderNet)."""
    return _network(
        lambda inputs, outputs, stride: {"adder": L1Conv2d(inputs, outputs, 3, stride, padding=1)},
        {"adder": L1Linear(_FEATURES, _CLASSES)})


def shift() -> nn.Module:
    """Power-of-two layers throughout (DeepShift-Q)."""
    return _network(
        lambda inputs, outputs, stride: {"shift": ShiftConv2d(inputs, outputs, 3, stride, padding=1)},
        {"shift": ShiftLinear(_FEATURES, _CLASSES)})


def shiftadd() -> nn.Module:
    """Each shift layer directly followed by an L1 layer of the size 1×1 (ShiftAddNet)."""
    return _network(
        lambda inputs, outputs, stride: {"shift": ShiftConv2d(inputs, outputs, 3, stride, padding=1),
                                         "adder": L1Conv2d(outputs, outputs, 1)},
        {"shift": ShiftLinear(_FEATURES, _CLASSES), "adder": L1Linear(_CLASSES, _CLASSES)})


def _network(convolution: Callable[[int, int, int], Layers], classifier: Layers) -> nn.Module:
    blocks: Layers = {}
    for number, (inputs, outputs, stride, pool) in enumerate(_CONVOLUTIONS, start=1):
        layers = convolution(inputs, outputs, stride) | {"norm": nn.BatchNorm2d(outputs), "relu": nn.ReLU()}
        if pool > 1:
            layers["pool"] = nn.MaxPool2d(pool)
        blocks[f"block{number}"] = nn.Sequential(OrderedDict(layers))
    layers = {"flatten": nn.Flatten()} | classifier | {"norm": nn.BatchNorm1d(_CLASSES)}
    blocks["classifier"] = nn.Sequential(OrderedDict(layers))
    return nn.Sequential(OrderedDict(blocks))
