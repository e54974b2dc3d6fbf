"""Weights of one bit or one trit: BinaryConnect's (2015) and ternary weight networks' (2016).

There is no scale: a batch norm follows. Gradients pass straight through where the latent weight is within ±1.
"""

import torch
from torch import Tensor

from nomul.sw.rounding import straight_through

__all__ = ["binary", "ternary"]


def binary(weight: Tensor) -> Tensor:
    """1 where ``weight >= 0``, else -1."""
    return straight_through(weight, torch.where(weight.detach() >= 0, 1.0, -1.0).to(weight.dtype), bound=1)


def ternary(weight: Tensor, threshold: float = 0.7) -> Tensor:
    """The sign of a weight, or 0 where it is small beside the others of its output.

    Parameters
    ----------
    weight : Tensor (O, ...)
        Latent weights.
    threshold : float
        Weights up to ``threshold·mean|w|`` of their output are 0; 0.7 approximates best in the mean square.
    """
    magnitude = weight.detach().abs()
    mean = magnitude.flatten(1).mean(1).reshape(-1, *[1] * (weight.ndim - 1))
    return straight_through(weight, torch.where(magnitude > threshold * mean, weight.detach().sign(), 0.0), bound=1)
