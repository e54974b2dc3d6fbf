"""The data sets by name."""

from collections.abc import Callable
from typing import NamedTuple

from nomul.sw.data import DataError, Dataset, digits
from nomul.sw.mnist import mnist

__all__ = ["DATASETS", "Source", "dataset_of_shape", "load_dataset"]


class Source(NamedTuple):
    """Shape (C, H, W) of a data set's images, and what loads it."""

    shape: tuple[int, int, int]
    load: Callable[[], Dataset]


DATASETS = {"digits": Source((1, 8, 8), digits), "mnist": Source((1, 28, 28), mnist)}


def load_dataset(name: str) -> Dataset:
    """A data set by name.

    Raises
    ------
    DataError
        For an unknown name, or if the data cannot be had.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}; known are {', '.join(DATASETS)}")
    return DATASETS[name].load()


def dataset_of_shape(shape: tuple[int, int, int]) -> str | None:
    """Name of the first data set whose images have that shape, if there is one."""
    return next((name for name, source in DATASETS.items() if source.shape == shape), None)
