"""A MobileNet for small images (Howard et al., 2017): depthwise 3×3 convolutions, each followed by one of 1×1.

The widths are those of the original, up to 512 channels; its first convolution has a stride of 2, here all maps are
larger. A batch norm follows every layer (in the kind shiftadd every pair of layers), the logits included.
"""

from collections import OrderedDict

from torch import nn

from nomul.sw.kinds import Kind, Layers

__all__ = ["mobilenet"]

#: Of each block: output channels, and the depthwise layer's stride.
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1))


def mobilenet(body: Kind, ends: Kind, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network; parameters as for `nomul.sw.lenet.lenet`."""
    inputs = 32
    parts: Layers = {"stem": _normed(ends.convolution(shape[0], inputs, 3, 1, 1), inputs)}
    for number, (outputs, stride) in enumerate(_BLOCKS, start=1):
        parts[f"block{number}_depthwise"] = _normed(body.depthwise(inputs, 3, stride), inputs)
        parts[f"block{number}_pointwise"] = _normed(body.convolution(inputs, outputs, 1, 1, 1), outputs)
        inputs = outputs
    parts["classifier"] = nn.Sequential(OrderedDict(
        {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()} | ends.linear(inputs, classes)
        | {"norm": nn.BatchNorm1d(classes)}))
    return nn.Sequential(OrderedDict(parts))


def _normed(layers: Layers, outputs: int) -> nn.Module:
    return nn.Sequential(OrderedDict(layers | {"norm": nn.BatchNorm2d(outputs), "relu": nn.ReLU()}))
