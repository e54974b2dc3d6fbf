"""Power-of-two weights as in DeepShift-Q (CVPRW 2021), with a level for zero."""

import torch
from torch import Tensor

__all__ = ["power_of_two"]


def power_of_two(weight: Tensor, min_exponent: int, max_exponent: int) -> Tensor:
    """``sign(w)·2^round(log2|w|)``: what a shift layer computes with; its gradient for `weight` is the identity.

    Exponents above `max_exponent` are clamped, as in DeepShift. A weight whose exponent would round to less than
    `min_exponent` becomes 0, where DeepShift clamps it: the hardware's code has a zero, and a weight that changes
    its sign then passes through it.

    Parameters
    ----------
    weight : Tensor
        Latent weights.
    min_exponent, max_exponent : int
        The levels are 0 and ``±2^min_exponent`` .. ``±2^max_exponent``.
    """
    return _PowerOfTwo.apply(weight, min_exponent, max_exponent)


class _PowerOfTwo(torch.autograd.Function):

    @staticmethod
    def forward(ctx, weight, min_exponent, max_exponent):
        exponent = weight.abs().log2().round()
        levels = weight.sign() * exponent.clamp(max=max_exponent).exp2()
        return torch.where(exponent < min_exponent, 0.0, levels)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None
