"""A network of linear layers alone: all pixels to 128, to 64, to the logits, with a batch norm after each."""

import math
from collections import OrderedDict

from torch import nn

from nomul.sw.kinds import Kind, Layers

__all__ = ["mlp"]

#: Outputs of the layers before the classifier.
_WIDTHS = (128, 64)


def mlp(body: Kind, ends: Kind, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network; parameters as for `nomul.sw.lenet.lenet`."""
    blocks: Layers = {"flatten": nn.Flatten()}
    inputs = math.prod(shape)
    for number, outputs in enumerate(_WIDTHS, start=1):
        layers = (body if number > 1 else ends).linear(inputs, outputs) \
            | {"norm": nn.BatchNorm1d(outputs), "relu": nn.ReLU()}
        blocks[f"block{number}"] = nn.Sequential(OrderedDict(layers))
        inputs = outputs
    layers = ends.linear(inputs, classes) | {"norm": nn.BatchNorm1d(classes)}
    blocks["classifier"] = nn.Sequential(OrderedDict(layers))
    return nn.Sequential(OrderedDict(blocks))
