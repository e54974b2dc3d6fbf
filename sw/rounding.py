"""Rounding and its straight-through gradient: fixed point, and numbers drawn between their neighbours."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nomul.sw.geometry import LayerError

__all__ = ["FixedPoint", "round_exponent", "straight_through"]


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
        step, bound = 2.0**-self.fraction_bits, 2.0**(self.integer_bits - 1)
        return straight_through(x, ((x.detach() / step).floor() * step).clamp(-bound, bound - step))


def straight_through(latent: Tensor, value: Tensor, bound: float = math.inf) -> Tensor:
    """`value`, computed from `latent`; its gradient goes to `latent` as it is, where that is within ±`bound`."""
    return _StraightThrough.apply(latent, value, bound)


class _StraightThrough(torch.autograd.Function):

    @staticmethod
    def forward(ctx, latent, value, bound):
        ctx.within = None if math.isinf(bound) else latent.abs() <= bound
        return value.view_as(value)

    @staticmethod
    def backward(ctx, gradient):
        return gradient if ctx.within is None else gradient * ctx.within, None, None


def round_exponent(exponent: Tensor, stochastic: bool) -> Tensor:
    """To an integer: the nearest one, or one of its neighbours, drawn so that the mean is `exponent`."""
    return (exponent + torch.rand_like(exponent)).floor() if stochastic else exponent.round()
