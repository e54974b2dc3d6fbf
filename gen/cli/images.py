"""Images for a board: the test images of a data set, a `.npy` file of codes or real values, a `.png` picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nomul.gen.cli.files import FileError, check_input

if TYPE_CHECKING:
    from nomul.sw.network import Tensor

__all__ = ["DATASET_NAMES", "DIGITS", "Images", "join_images", "load_images", "random_codes"]

#: The names that stand for the test images of a data set; the keys of `nomul.sw.datasets.DATASETS`, which needs torch.
DATASET_NAMES = ("digits", "mnist", "cifar10", "folder")
DIGITS = "digits"

_WHAT = "images must be an array (number, channels, height, width): uint8 codes, or real values as floats"


class Images(NamedTuple):
    """Input codes, uint8 (N, C, H, W), and class numbers (N,), where they are known."""

    codes: np.ndarray
    labels: np.ndarray | None


def load_images(source: str, tensor: "Tensor", bits: int) -> Images:
    """Images as input codes.

    Parameters
    ----------
    source : str
        The name of a data set, or the path of a `.npy` or `.png` file.
    tensor : Tensor
        The network's input.
    bits : int
        Width of a code.

    Raises
    ------
    DataError
        If the data set cannot be had.
    FileError
        If the file cannot be read, or the images do not fit.
    NetworkError
        If a picture does not fit.
    """
    if source in DATASET_NAMES:
        from nomul.sw.datasets import load_dataset

        dataset = load_dataset(source)
        return Images(_encode(dataset.test_images[:].numpy(), tensor, bits, source), dataset.test_labels.numpy())
    path = check_input(source)
    if path.suffix.lower() == ".png":
        from nomul.sw.png import read_png

        return Images(read_png(path, tensor.shape, bits)[None], None)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise FileError(f"{path} is no .npy file; {_WHAT}") from None
    if not isinstance(array, np.ndarray):
        raise FileError(f"{path} holds several arrays; {_WHAT}")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise FileError(f"{path} holds {array.dtype}; {_WHAT}")
    return Images(_encode(array, tensor, bits, str(path)), None)


def join_images(sources: Sequence[str], tensor: "Tensor", bits: int) -> tuple[Images, list[str]]:
    """The images of several sources, one behind the other, and a name for each; else as `load_images`."""
    parts = [load_images(source, tensor, bits) for source in sources]
    names = [source if len(part.codes) == 1 else str(n) if len(parts) == 1 else f"{source} {n}"
             for source, part in zip(sources, parts, strict=True) for n in range(len(part.codes))]
    labels = [part.labels for part in parts if part.labels is not None]
    return Images(np.concatenate([part.codes for part in parts]),
                  np.concatenate(labels) if len(labels) == len(parts) else None), names


def random_codes(tensor: "Tensor", bits: int, count: int, seed: int = 0) -> np.ndarray:
    """Seeded random input codes, for comparing two implementations with each other."""
    return np.random.default_rng(seed).integers(0, 1 << bits, (count, *tensor.shape), dtype=np.uint8)


def _encode(images: np.ndarray, tensor: "Tensor", bits: int, source: str | Path) -> np.ndarray:
    from nomul.sw.network import IntegerNetwork

    if images.ndim != 4 or images.shape[1:] != tensor.shape or not len(images):
        raise FileError(f"{source} has the shape {images.shape}, but the network takes images of "
                        f"(number, {', '.join(map(str, tensor.shape))})")
    if images.dtype != np.uint8:
        return IntegerNetwork("", bits, tensor, (), {}).encode_images(images)
    if images.max() >= 1 << bits:
        raise FileError(f"{source} holds the code {images.max()}; codes must be 0 to {(1 << bits) - 1}")
    return images
