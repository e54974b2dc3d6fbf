"""L1 layers (AdderNet): distances in the place of products.

They have no bias: a batch norm follows, without which they do not train.
"""

import torch
from torch import Tensor, nn

from nomul.sw.geometry import Size
from nomul.sw.l1 import l1_conv2d
from nomul.sw.layer_base import ConvolutionLayer, LinearLayer

__all__ = ["L1Conv2d", "L1Linear"]


class L1Conv2d(ConvolutionLayer):
    """Convolution with ``-|x - w|`` in the place of ``x·w``; taps in the padding count, as ``-|0 - w|``.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups
        As in `torch.nn.Conv2d`.
    eta : float, optional
        Scale of the adaptive local learning rate, which is part of the weight's gradient; None for the plain
        gradient (see `nomul.sw.l1.l1_conv2d`).
    sign_gradient : bool
        The gradient for the input takes ``sign(w - x)`` instead of the clipped difference.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0,
                 dilation: Size = 1, groups: int = 1, *, eta: float | None = 0.2, sign_gradient: bool = False):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.eta, self.sign_gradient = eta, sign_gradient
        self.weight = nn.Parameter(torch.empty(self.weight_shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights from N(0, 1)."""
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, O, OH, OW)."""
        return l1_conv2d(x, self.weight, self.stride, self.padding, self.dilation, self.groups, eta=self.eta,
                         sign_gradient=self.sign_gradient)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return super().extra_repr() + _options(self)


class L1Linear(LinearLayer):
    """``y_o = -Σ_i |x_i - w_oi|``.

    Parameters
    ----------
    in_features, out_features : int
        As in `torch.nn.Linear`.
    eta, sign_gradient
        As in `L1Conv2d`.
    """

    def __init__(self, in_features: int, out_features: int, *, eta: float | None = 0.2, sign_gradient: bool = False):
        super().__init__(in_features, out_features)
        self.eta, self.sign_gradient = eta, sign_gradient
        self.weight = nn.Parameter(torch.empty(self.weight_shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights from N(0, 1)."""
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) to (..., O)."""
        pixels = x.reshape(-1, x.shape[-1], 1, 1)
        y = l1_conv2d(pixels, self.weight[:, :, None, None], eta=self.eta, sign_gradient=self.sign_gradient)
        return y.reshape(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return super().extra_repr() + _options(self)


def _options(layer: L1Conv2d | L1Linear) -> str:
    return f", eta={layer.eta}" + (", sign_gradient=True" if layer.sign_gradient else "")
