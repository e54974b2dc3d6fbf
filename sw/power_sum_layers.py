"""Layers whose weights are sums of a few powers of two: for ordinary networks, as they are or fine-tuned."""

import math
from typing import Literal, TypedDict, Unpack

import torch
from torch import Tensor, nn

from nomul.sw.geometry import LayerError, Size
from nomul.sw.layer_base import ConvolutionLayer, Layer, LinearLayer
from nomul.sw.power_sum import PowerSum, apot, learned_apot, shiftcnn
from nomul.sw.rounding import straight_through

__all__ = ["PowerSumConv2d", "PowerSumLayer", "PowerSumLinear", "PowerSumOptions"]


class PowerSumOptions(TypedDict, total=False):
    """What both layers take.

    Attributes
    ----------
    scheme : str
        "greedy" (default): ShiftCNN's sums, relative to the largest weight. "apot": APoT's levels, up to the learned
        parameter `alpha` times the weights' standard deviation. APoT also subtracts their mean, which is not done
        here, so that a pretrained layer stays what it was.
    terms : int
        2 by default; only for "greedy", as "apot" has as many as its levels need.
    bits : int
        4 by default: of a term for "greedy"; of the weight for "apot", its sign included, 3 to 6.
    """

    scheme: Literal["greedy", "apot"]
    terms: int
    bits: int


class PowerSumLayer(Layer):
    """The weights: `weight` holds the latent floats, `quantized_weight()` the sums."""

    def _make_weights(self, scheme: str = "greedy", terms: int = 2, bits: int = 4) -> None:
        if scheme not in ("greedy", "apot"):
            raise LayerError(f"scheme must be 'greedy' or 'apot', not {scheme!r}")
        self.scheme, self.terms, self.bits = scheme, terms, bits
        self.weight = nn.Parameter(torch.empty(self.weight_shape))
        if scheme == "apot":
            self.alpha = nn.Parameter(torch.tensor(3.0))
        self.reset_parameters()
        self.power_sum()  # refuses bits and terms that there are not

    def reset_parameters(self) -> None:
        """Draws the latent weights as `torch.nn.Conv2d` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    @torch.no_grad()
    def load_weight_(self, weight: Tensor) -> None:
        """Sets the latent weights."""
        self.weight.copy_(weight)

    def power_sum(self) -> PowerSum:
        """The terms one by one, as they are computed with shifts and additions."""
        if self.scheme == "greedy":
            return shiftcnn(self.weight, self.terms, self.bits)
        return apot(self.weight, self._apot_scale().detach(), self.bits - 1)

    def quantized_weight(self) -> Tensor:
        """The weights that the layer computes with."""
        if self.scheme == "greedy":
            return straight_through(self.weight, self.power_sum().weight().detach())
        return learned_apot(self.weight, self._apot_scale(), self.bits - 1)

    def forward(self, x: Tensor) -> Tensor:
        """As the `torch.nn` counterpart."""
        return self.products(x, self.quantized_weight(), self.bias)

    def _apot_scale(self) -> Tensor:
        deviation = self.weight.detach().square().mean().sqrt()
        return self.alpha * torch.where(deviation > 0, deviation, 1.0)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return (super().extra_repr() + f", scheme={self.scheme}, bits={self.bits}"
                + (f", terms={self.terms}" if self.scheme == "greedy" else ""))


class PowerSumConv2d(PowerSumLayer, ConvolutionLayer):
    """Convolution whose weights are sums of powers of two.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        As in `torch.nn.Conv2d`, but without a bias by default.
    options
        See `PowerSumOptions`.

    Raises
    ------
    LayerError
        For options that do not exist or do not fit together.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0,
                 dilation: Size = 1, groups: int = 1, bias: bool = False, **options: Unpack[PowerSumOptions]):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self._make_weights(**options)


class PowerSumLinear(PowerSumLayer, LinearLayer):
    """Linear layer whose weights are sums of powers of two.

    Parameters
    ----------
    in_features, out_features, bias
        As in `torch.nn.Linear`, but without a bias by default.
    options
        See `PowerSumOptions`.

    Raises
    ------
    LayerError
        For options that do not exist or do not fit together.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False, **options: Unpack[PowerSumOptions]):
        super().__init__(in_features, out_features, bias)
        self._make_weights(**options)
