"""Data sets: images with labels, as tensors or as what gives tensors."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nomul.gen.spec.errors import NomulError

__all__ = ["PIXEL_STEP", "DataError", "Dataset", "Images", "Pixels", "digits"]

#: L1 weights start at N(0, 1): bytes of images spread over some units, on a step that 8 bits represent exactly.
PIXEL_STEP = 1 / 64


_TEST_IMAGES = 450
_SPLIT_SEED = 0


class DataError(NomulError):
    """A data set that cannot be had."""


class Images(Protocol):
    """Images of one shape, (N, C, H, W) in all, of which some can be had at a time; a tensor is such a thing."""

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        """Those of a slice or of an int64 tensor of numbers, as float32."""
        ...


class Pixels:
    """Images kept as bytes; 255 becomes ``255·PIXEL_STEP``.

    Parameters
    ----------
    pixels : np.ndarray
        uint8 (N, C, H, W).
    """

    def __init__(self, pixels: np.ndarray):
        self._pixels = torch.from_numpy(np.ascontiguousarray(pixels))
        self.shape = self._pixels.shape

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        return self._pixels[chosen].float() * PIXEL_STEP


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, split into training and test.

    Attributes
    ----------
    name : str
        What it is called in files.
    train_images, test_images : Images (N, C, H, W)
        float32.
    train_labels, test_labels : Tensor (N,)
        int64 class numbers from 0.
    classes : int
        How many there are.
    """

    name: str
    train_images: Images
    train_labels: Tensor
    test_images: Images
    test_labels: Tensor
    classes: int = 10

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image, (C, H, W)."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width


def digits() -> Dataset:
    """scikit-learn's handwritten digits: 1347 training and 450 test images, real scans of 8×8 pixels.

    Pixels are sixteenths from 0 to 1, which an 8-bit power-of-two step represents exactly. The split is stratified
    and fixed.

    Raises
    ------
    DataError
        Without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError("the digits data set needs scikit-learn, which is not installed; "
                        "install it with: pip install 'nomul[train]'") from None
    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    test = _stratified(labels, _TEST_IMAGES)
    images = torch.from_numpy((bunch.images / 16).astype(np.float32))[:, None]
    return Dataset("digits", images[~test], torch.from_numpy(labels[~test]),
                   images[test], torch.from_numpy(labels[test]))


def _stratified(labels: np.ndarray, count: int) -> np.ndarray:
    """A mask of `count` images that holds every class in its share, to within one image."""
    generator = np.random.default_rng(_SPLIT_SEED)
    shuffled = generator.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    mask = np.zeros(len(labels), dtype=bool)
    mask[by_class[(np.arange(count) * len(labels)) // count]] = True
    return mask
