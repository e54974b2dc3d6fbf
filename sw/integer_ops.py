"""The contract's functions for PyTorch's tensors: what golden model and quantized models compute with.

`nomul.sw.contract` has the definitions, and the tests compare.
"""

from torch import Tensor, int64
from torch.nn import functional

from nomul.sw.contract import mean_scale
from nomul.sw.geometry import Geometry

__all__ = ["mean", "requantized", "rescaled", "summed", "windows"]


def requantized(acc: Tensor, multiplier: Tensor, shift: int, zero_point: int, lower: int, upper: int) -> Tensor:
    """As `contract.requantize`: int64, of int64 accumulators and multipliers that broadcast."""
    return (((acc * multiplier + (1 << shift - 1)) >> shift) + zero_point).clamp(lower, upper)


def summed(operands: tuple[Tensor, Tensor], zero_points: tuple[int, int], left_shifts: tuple[int, int], shift: int,
           zero_point: int, lower: int, upper: int) -> Tensor:
    """As `contract.residual`: int64, of integer codes of one shape."""
    first, second = ((codes.to(int64) - zero) << left
                     for codes, zero, left in zip(operands, zero_points, left_shifts, strict=True))
    return (((first + second + (1 << shift >> 1)) >> shift) + zero_point).clamp(lower, upper)


def rescaled(codes: Tensor, zero_point: int, steps: int, target_zero_point: int, upper: int) -> Tensor:
    """As `contract.rescale`: int64."""
    left, shift = max(steps, 0), max(-steps, 0)
    total = ((codes.to(int64) - zero_point) << left) + (1 << shift >> 1)
    return ((total >> shift) + target_zero_point).clamp(0, upper)


def mean(taps: Tensor, zero_point: int) -> Tensor:
    """As `contract.average`: int64, over the last two axes of integer codes."""
    multiplier, shift = mean_scale(taps.shape[-2] * taps.shape[-1])
    total = (taps.to(int64) - zero_point).sum(dim=(-2, -1))
    return ((total * multiplier + (1 << shift >> 1)) >> shift) + zero_point


def windows(codes: Tensor, kernel: tuple[int, int], geometry: Geometry, padding: int) -> Tensor:
    """Windows without dilation of codes (N, C, H, W) with `padding` around: (N, C, rows, columns, height, width)."""
    (above, left), (down, across) = geometry.padding, geometry.stride
    padded = functional.pad(codes, (left, left, above, above), value=padding)
    return padded.unfold(2, kernel[0], down).unfold(3, kernel[1], across)
