"""Rounding with the identity as its gradient: fixed point, and numbers drawn between their neighbours."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nomul.sw.geometry import LayerError

__all__ = ["FixedPoint", "round_exponent"]


@dataclass(frozen=True)
class FixedPoint:
    """Signed fixed-point numbers, as DeepShift's activations.

    DeepShift's own quantizer clamps at ``2^(integer_bits - 1) - 1``, which gives away nearly half the range of a
    short format, and its kernels cut off where training rounds down: both are not repeated here.

    Attributes
    ----------
    integer_bits : int
        Bits above the binary point, the sign included.
    fraction_bits : int
        Bits below it.
    """

    integer_bits: int = 16
    fraction_bits: int = 16

    def __post_init__(self) -> None:
        if self.integer_bits < 1 or self.fraction_bits < 0:
            raise LayerError(f"a fixed-point format needs integer_bits of at least 1 (the sign) and fraction_bits of "
                             f"at least 0, not {self.integer_bits} and {self.fraction_bits}")

    def round(self, x: Tensor) -> Tensor:
        """``floor(x·2^f)/2^f``, between ``-2^(i-1)`` and ``2^(i-1) - 2^-f``; its gradient is the identity."""
        return _FixedPoint.apply(x, self.integer_bits, self.fraction_bits)


class _FixedPoint(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x, integer_bits, fraction_bits):
        step, bound = 2.0**-fraction_bits, 2.0**(integer_bits - 1)
        return ((x / step).floor() * step).clamp(-bound, bound - step)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None


def round_exponent(exponent: Tensor, stochastic: bool) -> Tensor:
    """To an integer: the nearest one, or one of its neighbours, drawn so that the mean is `exponent`."""
    return (exponent + torch.rand_like(exponent)).floor() if stochastic else exponent.round()
