"""Small networks of everything that can be quantized."""

import torch
from torch import nn
from torch.nn import functional

from nomul.sw.layers import (
    L1Conv2d,
    L1Linear,
    PowerSumConv2d,
    PowerSumLinear,
    ShiftConv2d,
    ShiftLinear,
    SignConv2d,
    SignLinear,
)


class Residual(nn.Module):
    """Two sums: one with a ReLU, and one of its result that goes straight into a layer."""

    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = ShiftConv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.left, self.left_norm = L1Conv2d(5, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.right, self.right_norm = ShiftConv2d(5, 5, 1), nn.BatchNorm2d(5)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier, self.classifier_norm = L1Linear(5, 3), nn.BatchNorm1d(3)

    def forward(self, x):
        x = functional.relu(self.stem_norm(self.stem(x)))
        x = torch.relu(x + self.left_norm(self.left(x)))
        x = x + self.right_norm(self.right(x))
        x = self.classifier(torch.flatten(self.pool(x), 1))
        return self.classifier_norm(x)


def strided():
    return nn.Sequential(
        L1Conv2d(2, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(),
        ShiftConv2d(6, 9, 2), L1Conv2d(9, 4, 1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Flatten(), ShiftLinear(36, 5), nn.BatchNorm1d(5))


def pooled():
    return nn.Sequential(
        ShiftConv2d(2, 7, 3, padding=2), nn.BatchNorm2d(7), nn.ReLU(), nn.MaxPool2d(3, 2),
        L1Conv2d(7, 4, 3, padding=1), nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.Identity(),
        ShiftConv2d(4, 3, 2), nn.Flatten())


def separable():
    """Groups, depthwise and dilated layers, windows that differ by direction, padded pools, averages of 9 and 6."""
    return nn.Sequential(
        ShiftConv2d(2, 8, 3, padding=1, groups=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, (1, 2), 1),
        L1Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.AvgPool2d(3, 1, 1),
        SignConv2d(8, 12, (3, 1), stride=(2, 1), padding=(2, 0), dilation=(2, 1), groups=4), nn.BatchNorm2d(12),
        nn.ReLU(), nn.AvgPool2d((2, 3), 1), ShiftConv2d(12, 3, (3, 2)), nn.BatchNorm2d(3),
        nn.Flatten())


class Joined(nn.Module):
    """Branches that are joined and enlarged, as in a U-Net; a sum of tensors with and without gaps in memory."""

    def __init__(self):
        super().__init__()
        self.down, self.down_norm = ShiftConv2d(2, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
        self.deep, self.deep_norm = L1Conv2d(6, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5)
        self.up = nn.Upsample(scale_factor=2)
        self.wide, self.wide_norm = L1Conv2d(2, 11, 3, stride=2, padding=1), nn.BatchNorm2d(11)
        self.last = ShiftLinear(11 * 16, 4)

    def forward(self, x):
        skip = functional.relu(self.down_norm(self.down(x)))
        deep = self.up(torch.relu(self.deep_norm(self.deep(skip))))
        joined = torch.cat([skip, deep], 1)
        return self.last(torch.flatten(joined + self.wide_norm(self.wide(x)), 1))


def signs():
    return nn.Sequential(
        SignConv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), SignConv2d(6, 5, 3, stride=2, ternary=False),
        nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), SignLinear(45, 4), nn.BatchNorm1d(4))


def power_sums():
    return nn.Sequential(
        PowerSumConv2d(2, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        PowerSumConv2d(6, 5, 1, terms=3, bits=3), nn.BatchNorm2d(5),
        PowerSumConv2d(5, 5, 3, bias=True, scheme="apot", bits=5), nn.ReLU(), nn.Flatten(),
        PowerSumLinear(20, 4, scheme="apot", bits=3))


class Limited(nn.Module):
    """Every form of a limited ReLU: after a layer, a norm and a sum."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.relu6 = L1Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU6()
        self.second, self.low = ShiftConv2d(6, 6, 3, padding=1), nn.Hardtanh(0, 3)
        self.last, self.last_norm = ShiftLinear(384, 3), nn.BatchNorm1d(3)

    def forward(self, x):
        x = self.relu6(self.norm(self.first(x)))
        x = functional.relu6(x + self.low(self.second(x)))
        return self.last_norm(self.last(torch.flatten(x, 1)))


NETS = {"residual": Residual, "strided": strided, "pooled": pooled, "signs": signs, "power sums": power_sums,
        "limited": Limited, "separable": separable,
        "joined": Joined}


def images(count, *, signed=False):
    values = torch.rand(count, 2, 8, 8, generator=torch.Generator().manual_seed(5))
    return values * 2 - 1 if signed else values


def trained(make, *, signed=False):
    """As after training: batch norms have statistics, and scales of both signs."""
    torch.manual_seed(3)
    model = make().train()
    for _ in range(30):
        values = torch.rand(32, 2, 8, 8)
        model(values * 2 - 1 if signed else values)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.eval()
