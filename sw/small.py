"""The demo's networks for 8×8 digits: three convolution blocks and a classifier over what is left of the map.

A batch norm follows every layer (in `shiftadd` every pair of layers), the logits included.
"""

from collections import OrderedDict

from torch import nn

from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear

__all__ = ["CLASSES", "SHAPE", "adder", "shift", "shiftadd"]

#: Of the images (C, H, W).
SHAPE = (1, 8, 8)
CLASSES = 10


def _block(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def adder() -> nn.Module:
    """L1 layers throughout (AdderNet)."""
    return _block(
        block1=_block(adder=L1Conv2d(1, 16, 3, padding=1), norm=nn.BatchNorm2d(16), relu=nn.ReLU()),
        block2=_block(adder=L1Conv2d(16, 32, 3, padding=1, stride=2), norm=nn.BatchNorm2d(32), relu=nn.ReLU()),
        block3=_block(adder=L1Conv2d(32, 32, 3, padding=1), norm=nn.BatchNorm2d(32), relu=nn.ReLU(),
                      pool=nn.MaxPool2d(2)),
        classifier=_block(flatten=nn.Flatten(), adder=L1Linear(128, 10), norm=nn.BatchNorm1d(10)),
    )


def shift() -> nn.Module:
    """Power-of-two layers throughout (DeepShift-Q)."""
    return _block(
        block1=_block(shift=ShiftConv2d(1, 24, 3, padding=1), norm=nn.BatchNorm2d(24), relu=nn.ReLU()),
        block2=_block(shift=ShiftConv2d(24, 48, 3, padding=1, stride=2), norm=nn.BatchNorm2d(48), relu=nn.ReLU()),
        block3=_block(shift=ShiftConv2d(48, 48, 3, padding=1), norm=nn.BatchNorm2d(48), relu=nn.ReLU(),
                      pool=nn.AvgPool2d(2)),
        classifier=_block(flatten=nn.Flatten(), shift=ShiftLinear(192, 10), norm=nn.BatchNorm1d(10)),
    )


def shiftadd() -> nn.Module:
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
