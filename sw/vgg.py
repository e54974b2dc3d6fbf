"""A small VGG for images such as CIFAR-10's: pairs of 3×3 convolutions, each pair pooled, and a classifier.

A batch norm follows every layer (in the kind shiftadd every pair of layers), the logits included.
"""

from collections import OrderedDict

from torch import nn

from nomul.sw.kinds import Kind, Layers

__all__ = ["vgg_small"]

#: Output channels of both convolutions of each pair.
_WIDTHS = (64, 128, 256)


def vgg_small(body: Kind, ends: Kind, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network; parameters as for `nomul.sw.lenet.lenet`, images at least 8 pixels high and wide."""
    blocks: Layers = {}
    inputs, height, width = shape
    for stage, outputs in enumerate(_WIDTHS, start=1):
        for place, pool in (("first", False), ("second", True)):
            kind = body if blocks else ends
            layers = kind.convolution(inputs, outputs, 3, 1, 1) | {"norm": nn.BatchNorm2d(outputs), "relu": nn.ReLU()}
            if pool:
                layers["pool"] = nn.MaxPool2d(2)
            blocks[f"stage{stage}_{place}"] = nn.Sequential(OrderedDict(layers))
            inputs = outputs
        height, width = height // 2, width // 2
    layers = {"flatten": nn.Flatten()} | ends.linear(inputs * height * width, classes) \
        | {"norm": nn.BatchNorm1d(classes)}
    blocks["classifier"] = nn.Sequential(OrderedDict(layers))
    return nn.Sequential(OrderedDict(blocks))
