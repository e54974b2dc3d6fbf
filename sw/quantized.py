"""Modules of a quantized model: real tensors in and out, in between exactly the integers of the contract.

All values are codes times a power of two, which float32 holds exactly. They run on the CPU and have no gradients.
"""

import torch
from torch import Tensor as Values
from torch import nn
from torch.nn import functional

from nomul.gen.spec.operators import Operator
from nomul.sw.integer_ops import mean, requantized, rescaled, summed, windows
from nomul.sw.l1 import l1_conv2d
from nomul.sw.network import Add, ArrayLayer, AveragePool, Concat, MaxPool, Tensor, Upsample

__all__ = ["QuantizedAdd", "QuantizedArray", "QuantizedConcat", "QuantizedInput", "QuantizedPool", "QuantizedUpsample"]


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
        stride, (above, left), dilation, groups = layer.geometry
        codes = _codes(x, self.source).reshape(-1, *self.source.shape).double()
        codes = codes.unflatten(1, (groups, -1)).repeat(1, 1, layer.terms, 1, 1).flatten(1, 2)
        padded = functional.pad(codes, (left, left, above, above), value=self.source.zero_point)
        convolve = l1_conv2d if layer.operator is Operator.L1 else functional.conv2d
        products = convolve(padded, self.weight, stride=stride, dilation=dilation, groups=groups)
        acc = products.to(torch.int64) + self.bias
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
        grid, maximum = self.layer.output, isinstance(self.layer, MaxPool)
        taps = windows(_codes(x, grid), self.layer.kernel, self.layer.geometry, 0 if maximum else grid.zero_point)
        return _values(taps.amax(dim=(4, 5)) if maximum else mean(taps, grid.zero_point), grid)


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


class QuantizedConcat(nn.Module):
    """Concatenation along the channels.

    Parameters
    ----------
    layer : Concat
        The output's grid.
    sources : list of Tensor
        The inputs' grids.
    largest : int
        Largest code.
    """

    def __init__(self, layer: Concat, sources: list[Tensor], largest: int):
        super().__init__()
        self.layer, self.sources, self.largest = layer, sources, largest

    def forward(self, *tensors: Values) -> Values:
        """Tensors (N, C, H, W) to (N, sum of their C, H, W)."""
        grid = self.layer.output
        return _values(torch.cat([rescaled(_codes(values, source), source.zero_point, source.exponent - grid.exponent,
                                           grid.zero_point, self.largest)
                                  for values, source in zip(tensors, self.sources, strict=True)], dim=1), grid)


class QuantizedUpsample(nn.Module):
    """Nearest-neighbour upsampling by 2, which needs no numbers.

    Parameters
    ----------
    layer : Upsample
        Names and shapes.
    """

    def __init__(self, layer: Upsample):
        super().__init__()
        self.layer = layer

    def forward(self, x: Values) -> Values:
        """(N, C, H, W) to (N, C, 2H, 2W)."""
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
