"""Training images moved and mirrored by chance; everything comes from one generator."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["crop", "flip", "jitter"]


def jitter(images: Tensor, pixels: float, generator: torch.Generator) -> Tensor:
    """Every image moved by its own random distance, up to `pixels` in both directions, interpolated linearly.

    Parameters
    ----------
    images : Tensor (N, C, H, W)
        Filled with 0 at the edges.
    """
    if not pixels:
        return images
    height, width = images.shape[2:]
    distance = (2 * torch.rand(len(images), 2, generator=generator) - 1) * pixels
    move = torch.eye(2, 3).repeat(len(images), 1, 1)
    move[:, :, 2] = distance * 2 / torch.tensor([width, height])  # a map is two units wide and high
    return functional.grid_sample(images, functional.affine_grid(move, list(images.shape), align_corners=False),
                                  align_corners=False)


def crop(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Every image cut out of itself with a border of `pixels` zeros, at a random place (N, C, H, W)."""
    if not pixels:
        return images
    number, _, height, width = images.shape
    rows, columns = torch.randint(2 * pixels + 1, (2, number, 1), generator=generator)
    rows, columns = rows + torch.arange(height), columns + torch.arange(width)
    padded = functional.pad(images, (pixels,) * 4)
    return padded[torch.arange(number)[:, None, None], :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Every image (N, C, H, W) mirrored left to right with probability 1/2."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    return torch.where(mirrored, images.flip(3), images)
