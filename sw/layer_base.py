"""What the layers without multiplications have in common with `torch.nn.Conv2d` and `torch.nn.Linear`."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nomul.sw.geometry import Geometry, Size

__all__ = ["ConvolutionLayer", "Layer", "LinearLayer"]


class Layer(nn.Module):
    """A layer with weights of some kind, which subclasses make.

    Attributes
    ----------
    weight_shape : torch.Size
        (outputs, inputs of a group, then for convolutions height and width of the kernel).
    bias : nn.Parameter or None
        One number an output, which is added.
    """

    weight_shape: torch.Size
    bias: nn.Parameter | None

    def products(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``Σ x·weight + bias``, for layers that compute such."""
        raise NotImplementedError

    def _make_bias(self, wanted: bool) -> None:
        self.register_parameter("bias", None)
        if wanted:
            bound = 1 / math.sqrt(max(1, self.weight_shape[1:].numel()))
            self.bias = nn.Parameter(torch.empty(self.weight_shape[0]).uniform_(-bound, bound))


class ConvolutionLayer(Layer):
    """Sizes and window of a convolution.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups
        As in `torch.nn.Conv2d`; the attributes of the same names hold them.
    bias : bool
        Whether there is one; off by default, as a batch norm follows most layers.

    Raises
    ------
    LayerError
        For a window or groups that no convolution has.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0,
                 dilation: Size = 1, groups: int = 1, bias: bool = False):
        super().__init__()
        Geometry.of(stride, padding, dilation, groups).check_channels(in_channels, out_channels)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        self.weight_shape = torch.Size((out_channels, in_channels // groups, *kernel))
        self._make_bias(bias)

    def products(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(N, C, H, W) to (N, O, OH, OW)."""
        return functional.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        text = (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"padding={self.padding}")
        text += f", dilation={self.dilation}" if self.dilation not in (1, (1, 1)) else ""
        text += f", groups={self.groups}" if self.groups > 1 else ""
        return text + (", bias=True" if self.bias is not None else "")


class LinearLayer(Layer):
    """Sizes of a linear layer.

    Parameters
    ----------
    in_features, out_features : int
        As in `torch.nn.Linear`; the attributes of the same names hold them.
    bias : bool
        Whether there is one.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight_shape = torch.Size((out_features, in_features))
        self._make_bias(bias)

    def products(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(..., I) to (..., O)."""
        return functional.linear(x, weight, bias)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        return f"{self.in_features}, {self.out_features}" + (", bias=True" if self.bias is not None else "")
