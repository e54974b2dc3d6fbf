"""Layers without multiplications, used as their `torch.nn` counterparts: L1 (AdderNet) and power-of-two (DeepShift-Q).

None has a bias: a batch norm follows, and L1 layers do not train without one.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nomul.sw.l1 import l1_conv2d
from nomul.sw.shift import power_of_two

__all__ = ["L1Conv2d", "L1Linear", "ShiftConv2d", "ShiftLinear"]


class L1Conv2d(nn.Module):
    """Convolution with ``-|x - w|`` in the place of ``x·w``; taps in the padding count, as ``-|0 - w|``.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding : int
        As in `torch.nn.Conv2d`; the kernel is square.
    eta : float, optional
        Scale of the adaptive local learning rate, which is part of the weight's gradient; None for the plain
        gradient (see `nomul.sw.l1.l1_conv2d`).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0,
                 *, eta: float | None = 0.2):
        super().__init__()
        self.stride, self.padding, self.eta = stride, padding, eta
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights from N(0, 1)."""
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, O, OH, OW)."""
        return l1_conv2d(x, self.weight, self.stride, self.padding, self.eta)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return _describe_convolution(self) + f", eta={self.eta}"


class L1Linear(nn.Module):
    """``y_o = -Σ_i |x_i - w_oi|``.

    Parameters
    ----------
    in_features, out_features : int
        As in `torch.nn.Linear`.
    eta : float, optional
        As in `L1Conv2d`.
    """

    def __init__(self, in_features: int, out_features: int, *, eta: float | None = 0.2):
        super().__init__()
        self.eta = eta
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights from N(0, 1)."""
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I) to (N, O)."""
        return l1_conv2d(x[:, :, None, None], self.weight[:, :, None, None], eta=self.eta).flatten(1)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}, eta={self.eta}"


class ShiftConv2d(nn.Module):
    """Convolution whose weights are 0 or ±2^p; `weight` holds the latent floats, `quantized_weight()` the powers.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding : int
        As in `torch.nn.Conv2d`; the kernel is square.
    min_exponent, max_exponent : int
        Range of p; the default has the eight exponents of the hardware's shift codes.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0,
                 *, min_exponent: int = -7, max_exponent: int = 0):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.min_exponent, self.max_exponent = min_exponent, max_exponent
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the latent weights as `torch.nn.Conv2d` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def quantized_weight(self) -> Tensor:
        """The weights that the layer computes with."""
        return power_of_two(self.weight, self.min_exponent, self.max_exponent)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, O, OH, OW)."""
        return functional.conv2d(x, self.quantized_weight(), stride=self.stride, padding=self.padding)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return _describe_convolution(self) + f", exponents={self.min_exponent}..{self.max_exponent}"


class ShiftLinear(nn.Module):
    """Linear layer whose weights are 0 or ±2^p; `weight` holds the latent floats.

    Parameters
    ----------
    in_features, out_features : int
        As in `torch.nn.Linear`.
    min_exponent, max_exponent : int
        As in `ShiftConv2d`.
    """

    def __init__(self, in_features: int, out_features: int, *, min_exponent: int = -7, max_exponent: int = 0):
        super().__init__()
        self.min_exponent, self.max_exponent = min_exponent, max_exponent
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the latent weights as `torch.nn.Linear` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def quantized_weight(self) -> Tensor:
        """The weights that the layer computes with."""
        return power_of_two(self.weight, self.min_exponent, self.max_exponent)

    def forward(self, x: Tensor) -> Tensor:
        """(N, I) to (N, O)."""
        return functional.linear(x, self.quantized_weight())

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}, exponents={self.min_exponent}..{self.max_exponent}"


def _describe_convolution(layer: L1Conv2d | ShiftConv2d) -> str:
    outputs, inputs, kernel, _ = layer.weight.shape
    return f"{inputs}, {outputs}, kernel_size={kernel}, stride={layer.stride}, padding={layer.padding}"
