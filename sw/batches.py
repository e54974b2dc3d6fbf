"""The training images of an epoch, in the order and the variations that the recipe asks for."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nomul.sw.augment import crop, flip, jitter
from nomul.sw.data import Dataset
from nomul.sw.recipe import Recipe

__all__ = ["batches"]


def batches(dataset: Dataset, recipe: Recipe, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N, C, H, W) and labels (N,) of each step of an epoch, drawn and moved by `generator`."""
    order = torch.randperm(len(dataset.train_images), generator=generator)
    for chosen in order.split(recipe.batch):
        if len(chosen) > 1:  # a batch norm has no variance over one image
            images = jitter(dataset.train_images[chosen], recipe.jitter, generator)
            images = crop(images, recipe.crop, generator)
            if recipe.flip:
                images = flip(images, generator)
            yield images, dataset.train_labels[chosen]
