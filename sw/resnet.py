"""Residual networks of basic blocks (He et al., 2016): ResNet-20 for small images, ResNet-18 for large ones.

A batch norm follows every layer, the logits included; where a block changes the map's size, its shortcut is a 1×1
convolution with a batch norm, as in the released code of AdderNet.
"""

from collections import OrderedDict

from torch import Tensor, nn

from nomul.sw.kinds import Kind

__all__ = ["BasicBlock", "resnet18", "resnet20"]


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut; the sum's ReLU is the output.

    Parameters
    ----------
    kind : Kind
        Of the layers.
    inputs, outputs, stride : int
        Channels, and the first convolution's stride.
    """

    def __init__(self, kind: Kind, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = _convolution(kind, inputs, outputs, 3, stride, relu=True)
        self.second = _convolution(kind, outputs, outputs, 3, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _convolution(kind, inputs, outputs, 1, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride), rounded up."""
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


def resnet20(body: Kind, ends: Kind, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Three stages of three blocks with 16, 32 and 64 channels; the parameters are those of `nomul.sw.lenet.lenet`.

    32×32 images lead to a map of 8×8, whose average is a shift; others take a depthwise layer.
    """
    stem = _convolution(ends, shape[0], 16, 3, 1, relu=True)
    return _network(stem, body, ends, (16, 32, 64), 3, classes)


def resnet18(body: Kind, ends: Kind, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Four stages of two blocks with 64 to 512 channels behind a 7×7 convolution; parameters as for `resnet20`.

    The pooling behind the first convolution is 2×2 without padding, which the hardware has, where the original's is
    3×3 with padding. 256×256 images lead to a map of 8×8, whose average is a shift.
    """
    stem = _convolution(ends, shape[0], 64, 7, 2, relu=True)
    stem.add_module("pool", nn.MaxPool2d(2))
    return _network(stem, body, ends, (64, 128, 256, 512), 2, classes)


def _network(stem: nn.Module, body: Kind, ends: Kind, widths: tuple[int, ...], blocks: int,
             classes: int) -> nn.Module:
    parts = OrderedDict(stem=stem)
    inputs = widths[0]
    for stage, outputs in enumerate(widths, start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            parts[f"stage{stage}_{block}"] = BasicBlock(body, inputs, outputs, stride)
            inputs = outputs
    parts["classifier"] = nn.Sequential(OrderedDict(
        {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()} | ends.linear(inputs, classes)
        | {"norm": nn.BatchNorm1d(classes)}))
    return nn.Sequential(parts)


def _convolution(kind: Kind, inputs: int, outputs: int, kernel: int, stride: int, *,
                 relu: bool = False) -> nn.Sequential:
    layers = kind.convolution(inputs, outputs, kernel, stride, kernel) | {"norm": nn.BatchNorm2d(outputs)}
    if relu:
        layers["relu"] = nn.ReLU()
    return nn.Sequential(OrderedDict(layers))
