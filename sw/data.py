"""Data sets as plain tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nomul.gen.spec.errors import NomulError

__all__ = ["DataError", "Dataset", "digits"]

_TEST_IMAGES = 450
_SPLIT_SEED = 0


class DataError(NomulError):
    """A data set that cannot be had."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, split into training and test.

    Attributes
    ----------
    name : str
        What it is called in files.
    train_images, test_images : Tensor (N, C, H, W)
        float32.
    train_labels, test_labels : Tensor (N,)
        int64 class numbers from 0.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


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
