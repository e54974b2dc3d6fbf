"""Power-of-two weights as in DeepShift (CVPRW 2021): from latent floats (Q), or from exponents and signs (PS)."""

import math

import torch
from torch import Tensor

from nomul.sw.geometry import LayerError
from nomul.sw.rounding import round_exponent, straight_through

__all__ = ["exponent_count", "power_and_sign", "power_of_two"]


def exponent_count(bits: int, zero: bool) -> int:
    """How many exponents fit into weights of so many bits, a sign and with `zero` a 0 included.

    DeepShift's table: without a 0 (its form Q) ``2^(bits-1)``, with one (its form PS) one less.

    Raises
    ------
    LayerError
        Unless `bits` is 2 to 5.
    """
    if bits not in range(2, 6):
        raise LayerError(f"bits must be 2 to 5, not {bits!r}")
    return (1 << (bits - 1)) - zero


def power_of_two(weight: Tensor, min_exponent: int, max_exponent: int, *, zero: bool = True,
                 stochastic: bool = False) -> Tensor:
    """``sign(w)·2^round(log2|w|)``: what a Q layer computes with; its gradient for `weight` is the identity.

    Exponents above `max_exponent` are clamped, as in DeepShift. A weight whose exponent would round to less than
    `min_exponent` becomes 0, where DeepShift clamps it: the hardware's code has a zero, and a weight that changes
    its sign then passes through it.

    Parameters
    ----------
    weight : Tensor
        Latent weights.
    min_exponent, max_exponent : int
        The levels are 0 and ``±2^min_exponent`` .. ``±2^max_exponent``.
    zero : bool
        False for DeepShift's levels: no weight becomes 0 that is not exactly 0.
    stochastic : bool
        Draws between the two neighbouring exponents.
    """
    latent = weight.detach()
    exponent = round_exponent(latent.abs().log2(), stochastic)
    levels = latent.sign() * exponent.clamp(min_exponent, max_exponent).exp2()
    return straight_through(weight, torch.where(exponent < min_exponent, 0.0, levels) if zero else levels)


def power_and_sign(exponent: Tensor, sign: Tensor, min_exponent: int, max_exponent: int, *, threshold: float = 0.5,
                   stochastic: bool = False) -> Tensor:
    """``S·2^P`` from the latent floats of a PS layer: P is the rounded exponent, S the sign or, near 0, 0.

    The gradients are DeepShift's: for the exponent ``g·S·2^P·ln 2``, for the sign g, not multiplied by ``2^P``.

    Parameters
    ----------
    exponent, sign : Tensor
        Latent, of one shape.
    min_exponent, max_exponent : int
        P is clamped to them.
    threshold : float
        S is 0 where ``|sign| <= threshold``; DeepShift rounds, which is 0.5. More prunes more.
    stochastic : bool
        Draws P from the two neighbours of `exponent`.
    """
    return _PowerAndSign.apply(exponent, sign, min_exponent, max_exponent, threshold, stochastic)


class _PowerAndSign(torch.autograd.Function):

    @staticmethod
    def forward(ctx, exponent, sign, min_exponent, max_exponent, threshold, stochastic):
        rounded = round_exponent(exponent, stochastic).clamp(min_exponent, max_exponent)
        weight = torch.where(sign.abs() <= threshold, 0.0, sign.sign() * rounded.exp2())
        ctx.save_for_backward(weight)
        return weight

    @staticmethod
    def backward(ctx, gradient):
        weight, = ctx.saved_tensors
        return gradient * weight * math.log(2), gradient, None, None, None, None
