"""A LeNet-like network, for 28×28 digits at most 50 000 parameters in every kind of layers.

Four 3×3 convolutions take the map to a seventh of its size (28×28 to 4×4), a classifier reads it whole; a batch norm
follows every layer (in the kind shiftadd every pair of layers), the logits included.
"""

from collections import OrderedDict

from torch import nn

from nomul.sw.kinds import Kind, Layers

__all__ = ["lenet"]

#: Of each convolution: output channels, stride, and the pooling's factor after it (1 is none).
_CONVOLUTIONS = ((16, 2, 1), (32, 1, 2), (32, 1, 1), (64, 2, 1))


def lenet(body: Kind, ends: Kind, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network.

    Parameters
    ----------
    body, ends : Kind
        Its layers, and those that come first and last.
    shape : tuple of int
        Of the images, (C, H, W), at least 3 pixels high and wide.
    classes : int
        How many logits.
    """
    blocks: Layers = {}
    inputs, height, width = shape
    for number, (outputs, stride, pool) in enumerate(_CONVOLUTIONS, start=1):
        kind = ends if number == 1 else body
        layers = kind.convolution(inputs, outputs, 3, stride, 1) \
            | {"norm": nn.BatchNorm2d(outputs), "relu": nn.ReLU()}
        if pool > 1:
            layers["pool"] = nn.MaxPool2d(pool)
        blocks[f"block{number}"] = nn.Sequential(OrderedDict(layers))
        height, width = (-(-size // stride) // pool for size in (height, width))
        inputs = outputs
    layers = {"flatten": nn.Flatten()} | ends.linear(inputs * height * width, classes) \
        | {"norm": nn.BatchNorm1d(classes)}
    blocks["classifier"] = nn.Sequential(OrderedDict(layers))
    return nn.Sequential(OrderedDict(blocks))
