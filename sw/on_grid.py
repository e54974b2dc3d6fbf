"""Modules that round to the grids of integers, with gradients that pass straight through: for training."""

import torch
from torch import Tensor, nn

from nomul.sw import network
from nomul.sw.rounding import straight_through

__all__ = ["ActivationsOnGrid", "WeightsOnGrid"]


class ActivationsOnGrid(nn.Module):
    """Activations as the integers will be: the nearest codes, and within their range.

    Parameters
    ----------
    grid : network.Tensor
        Step and zero point.
    largest : int
        Largest code.
    """

    def __init__(self, grid: network.Tensor, largest: int):
        super().__init__()
        self.grid, self.largest = grid, largest

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, the same; beyond the range the gradient is 0."""
        step, zero_point = 2.0**self.grid.exponent, self.grid.zero_point
        inside = x.clamp(-zero_point * step, (self.largest - zero_point) * step)
        return straight_through(inside, (inside.detach() / step + 0.5).floor() * step)

    def extra_repr(self) -> str:
        """The grid, for `print(model)`."""
        return f"exponent={self.grid.exponent}, zero_point={self.grid.zero_point}, largest={self.largest}"


class WeightsOnGrid(nn.Module):
    """L1 weights as the integers will be: rounded to their input's grid where they lie within its range.

    Those beyond keep their value: what they are away from the range's end, the integers have in the bias.

    Parameters
    ----------
    grid : network.Tensor
        Of the input.
    largest : int
        Largest weight code.
    """

    def __init__(self, grid: network.Tensor, largest: int):
        super().__init__()
        self.grid, self.largest = grid, largest

    def forward(self, weight: Tensor) -> Tensor:
        """Any shape, the same."""
        step, zero_point = 2.0**self.grid.exponent, self.grid.zero_point
        real = weight.detach()
        inside = real.clamp(-zero_point * step, (self.largest - zero_point) * step)
        rounded = (inside / step).round() * step
        return straight_through(weight, torch.where(inside == real, rounded, real))
