"""Layers whose weights are ±1, or -1, 0 and 1: the operator SIGN."""

import math

import torch
from torch import Tensor, nn

from nomul.sw.geometry import Size
from nomul.sw.layer_base import ConvolutionLayer, Layer, LinearLayer
from nomul.sw.sign import binary, ternary

__all__ = ["SignConv2d", "SignLayer", "SignLinear"]


class SignLayer(Layer):
    """The weights of a SIGN layer: `weight` holds the latent floats, `quantized_weight()` the signs."""

    def _make_weights(self, with_zero: bool, threshold: float) -> None:
        self.with_zero, self.threshold = with_zero, threshold
        self.weight = nn.Parameter(torch.empty(self.weight_shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the latent weights as `torch.nn.Conv2d` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def quantized_weight(self) -> Tensor:
        """The weights that the layer computes with."""
        return ternary(self.weight, self.threshold) if self.with_zero else binary(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """As the `torch.nn` counterpart."""
        return self.products(x, self.quantized_weight(), self.bias)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return super().extra_repr() + (f", ternary, threshold={self.threshold}" if self.with_zero else ", binary")


class SignConv2d(SignLayer, ConvolutionLayer):
    """Convolution whose weights are signs.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        As in `torch.nn.Conv2d`, but without a bias by default.
    ternary : bool
        Whether weights may be 0 (default): then, `threshold` says which are (see `nomul.sw.sign.ternary`).
    threshold : float
        In means of an output's magnitudes.

    Raises
    ------
    LayerError
        For a window or groups that no convolution has.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0,
                 dilation: Size = 1, groups: int = 1, bias: bool = False, *, ternary: bool = True,
                 threshold: float = 0.7):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self._make_weights(ternary, threshold)


class SignLinear(SignLayer, LinearLayer):
    """Linear layer whose weights are signs.

    Parameters
    ----------
    in_features, out_features, bias
        As in `torch.nn.Linear`, but without a bias by default.
    ternary, threshold
        As in `SignConv2d`.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False, *, ternary: bool = True,
                 threshold: float = 0.7):
        super().__init__(in_features, out_features, bias)
        self._make_weights(ternary, threshold)
