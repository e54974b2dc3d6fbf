"""Modules of a quantized model: real tensors in and out, in between exactly the integers of the contract.

All values are codes times a power of two, which float32 holds exactly. They run on the CPU and have no gradients.
"""

import torch
from torch import Tensor as Values
from torch import nn
from torch.nn import functional

from nomul.gen.spec.operators import Operator
from nomul.sw.integer_ops import mean, requantized, summed
from nomul.sw.l1 import l1_conv2d
from nomul.sw.network import Add, ArrayLayer, AveragePool, MaxPool, Tensor

__all__ = ["QuantizedAdd", "QuantizedArray", "QuantizedInput", "QuantizedPool"]


def _codes(values: Values, grid: Tensor) -> Values:
    """int64 codes of values that lie on `grid`."""
    return (values.detach().double() * 2.0**-grid.exponent).to(torch.int64) + grid.zero_point


def _values(codes: Values, grid: Tensor) -> Values:
    return (codes - grid.zero_point).to(torch.float32) * 2.0**grid.exponent


class QuantizedInput(nn.Module):
    """Rounds images to the input's grid, as `IntegerNetwork.encode_images` does.

    Parameters
    ----------
    grid : Tensor
        Of the input.
    largest : int
        Largest code.
    """

    def __init__(self, grid: Tensor, largest: int):
        super().__init__()
        self.grid, self.largest = grid, largest

    def forward(self, images: Values) -> Values:
        """(N, C, H, W), same shape."""
        codes = (images.detach().double() * 2.0**-self.grid.exponent + 0.5).floor() + self.grid.zero_point
        return _values(codes.clamp(0, self.largest), self.grid)


class QuantizedArray(nn.Module):
    """A layer with weights, with its batch norm and ReLU.

    Parameters
    ----------
    layer : ArrayLayer
        The integers.
    source : Tensor
        Grid and shape of its input.
    """

    weight: Values
    bias: Values
    multiplier: Values

    def __init__(self, layer: ArrayLayer, source: Tensor):
        super().__init__()
        self.layer, self.source = layer, source
        # Exact: float64 holds all integers below 2^53, and no sum comes near.
        self.register_buffer("weight", torch.from_numpy(layer.weight).double())
        self.register_buffer("bias", torch.from_numpy(layer.bias)[:, None, None])
        self.register_buffer("multiplier", torch.from_numpy(layer.multiplier).to(torch.int64)[:, None, None])

    def forward(self, x: Values) -> Values:
        """(N, C, H, W) to (N, O, OH, OW); a linear layer: (N, I) to (N, O)."""
        layer = self.layer
        codes = _codes(x, self.source).reshape(-1, *self.source.shape).double().repeat(1, layer.terms, 1, 1)
        padded = functional.pad(codes, (layer.padding,) * 4, value=self.source.zero_point)
        convolve = l1_conv2d if layer.operator is Operator.L1 else functional.conv2d
        acc = convolve(padded, self.weight, stride=layer.stride).to(torch.int64) + self.bias
        result = requantized(acc, self.multiplier, layer.shift, layer.output.zero_point, layer.lower, layer.upper)
        values = _values(result, layer.output)
        return values.flatten(1) if x.ndim == 2 else values

    def extra_repr(self) -> str:
        """Operator, shapes and grid, for `print(model)`."""
        return (f"{self.layer.operator.key}, {self.source.shape} to {self.layer.output.shape}, "
                f"exponent={self.layer.output.exponent}, zero_point={self.layer.output.zero_point}")


class QuantizedPool(nn.Module):
    """Max or average pooling.

    Parameters
    ----------
    layer : MaxPool or AveragePool
        Window and stride; input and output have one grid.
    """

    def __init__(self, layer: MaxPool | AveragePool):
        super().__init__()
        self.layer = layer

    def forward(self, x: Values) -> Values:
        """(N, C, H, W) to (N, C, OH, OW)."""
        (height, width), stride = self.layer.kernel, self.layer.stride
        windows = _codes(x, self.layer.output).unfold(2, height, stride).unfold(3, width, stride)
        codes = windows.amax(dim=(4, 5)) if isinstance(self.layer, MaxPool) else mean(windows)
        return _values(codes, self.layer.output)


class QuantizedAdd(nn.Module):
    """Residual sum with its ReLU.

    Parameters
    ----------
    layer : Add
        Shifts and bounds.
    sources : tuple of Tensor
        The operands' grids.
    """

    def __init__(self, layer: Add, sources: tuple[Tensor, Tensor]):
        super().__init__()
        self.layer, self.sources = layer, sources

    def forward(self, a: Values, b: Values) -> Values:
        """Two tensors of one shape to their sum."""
        layer, (first, second) = self.layer, self.sources
        codes = summed((_codes(a, first), _codes(b, second)), (first.zero_point, second.zero_point),
                       layer.left_shifts, layer.shift, layer.output.zero_point, layer.lower, layer.upper)
        return _values(codes, layer.output)
