"""The data sets by name."""

from collections.abc import Callable

from nomul.sw.cifar10 import cifar10
from nomul.sw.data import DataError, Dataset, digits
from nomul.sw.image_folder import image_folder
from nomul.sw.mnist import mnist

__all__ = ["DATASETS", "dataset_of_shape", "load_dataset"]

#: What loads each.
DATASETS: dict[str, Callable[[], Dataset]] = {
    "digits": digits, "mnist": mnist, "cifar10": cifar10, "folder": image_folder}

#: Of those whose images have one shape (C, H, W).
_SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


def load_dataset(name: str) -> Dataset:
    """A data set by name.

    Raises
    ------
    DataError
        For an unknown name, or if the data cannot be had.
    """
    if name not in DATASETS:
        raise DataError(f"unknown data set {name!r}; known are {', '.join(DATASETS)}")
    return DATASETS[name]()


def dataset_of_shape(shape: tuple[int, int, int]) -> str | None:
    """Name of the data set whose images have that shape, if there is one."""
    return next((name for name, its in _SHAPES.items() if its == shape), None)
