"""The contract's functions for PyTorch's tensors: what golden model and quantized models compute with.

`nomul.sw.contract` has the definitions, and the tests compare.
"""

from torch import Tensor, int64

__all__ = ["mean", "requantized", "summed"]


def requantized(acc: Tensor, multiplier: Tensor, shift: int, zero_point: int, lower: int, upper: int) -> Tensor:
    """As `contract.requantize`: int64, of int64 accumulators and multipliers that broadcast."""
    return (((acc * multiplier + (1 << shift - 1)) >> shift) + zero_point).clamp(lower, upper)


def summed(operands: tuple[Tensor, Tensor], zero_points: tuple[int, int], left_shifts: tuple[int, int], shift: int,
           zero_point: int, lower: int, upper: int) -> Tensor:
    """As `contract.residual`: int64, of integer codes of one shape."""
    first, second = ((codes.to(int64) - zero) << left
                     for codes, zero, left in zip(operands, zero_points, left_shifts, strict=True))
    return (((first + second + (1 << shift >> 1)) >> shift) + zero_point).clamp(lower, upper)


def mean(windows: Tensor) -> Tensor:
    """As `contract.average`: int64, over the last two axes of integer codes, a power of two of them."""
    count = windows.shape[-2] * windows.shape[-1]
    return (windows.sum(dim=(-2, -1)) + count // 2) >> (count.bit_length() - 1)
