"""One's own images: a folder for each class, read when they are needed."""

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nomul.sw.data import PIXEL_STEP, DataError, Dataset
from nomul.sw.download import data_folder

__all__ = ["ImageFiles", "image_folder"]

_LAYOUT = "images are train/CLASS/NAME.png (or .npy) and test/CLASS/NAME.png in the folder that NOMUL_DATA names"
_ENDINGS = (".npy", ".png")


class ImageFiles:
    """Images in files of one shape, read when they are asked for; 255 becomes ``255·PIXEL_STEP``.

    Parameters
    ----------
    paths : list of Path
        `.png`, or `.npy` with uint8 (H, W), (H, W, 1) or (H, W, 3); at least one.
    """

    def __init__(self, paths: list[Path]):
        self._paths = paths
        self.shape = torch.Size((len(paths), *_read(paths[0]).shape))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        numbers = range(len(self))[chosen] if isinstance(chosen, slice) else chosen.tolist()
        images = [_read(self._paths[number]) for number in numbers]
        for number, image in zip(numbers, images, strict=True):
            if image.shape != self.shape[1:]:
                raise DataError(f"{self._paths[number]} has the shape {_size(image.shape)}, but {self._paths[0]} has "
                                f"{_size(self.shape[1:])}; bring all images to one size")
        return torch.from_numpy(np.stack(images)).float() * PIXEL_STEP


def image_folder() -> Dataset:
    """The images `train/CLASS/NAME` and `test/CLASS/NAME` in the folder that `NOMUL_DATA` names.

    Classes are numbered in the order of their folders' names, images are `.png` or `.npy` files of one size.

    Raises
    ------
    DataError
        If the folders are not like that, or a file cannot be read.
    """
    root = data_folder("folder")
    classes = _subfolders(root / "train")
    if unknown := sorted(set(_subfolders(root / "test")) - set(classes)):
        raise DataError(f"{root / 'test' / unknown[0]} has no class folder of that name in {root / 'train'}; {_LAYOUT}")
    train, test = (_paths(root / part, classes) for part in ("train", "test"))
    images = [ImageFiles([path for path, _ in part]) for part in (train, test)]
    if images[0].shape[1:] != images[1].shape[1:]:
        raise DataError(f"{test[0][0]} has the shape {_size(images[1].shape[1:])}, but {train[0][0]} has "
                        f"{_size(images[0].shape[1:])}; bring all images to one size")
    labels = [torch.tensor([label for _, label in part]) for part in (train, test)]
    return Dataset("folder", images[0], labels[0], images[1], labels[1], len(classes))


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; {_LAYOUT}")
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def _paths(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    found = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).glob("*"))
             if path.suffix.lower() in _ENDINGS]
    if not found:
        raise DataError(f"there are no .png or .npy files in the class folders of {folder}; {_LAYOUT}")
    return found


def _read(path: Path) -> np.ndarray:
    """uint8 (C, H, W)."""
    array = _decoded(path, path.read_bytes())
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or array.ndim == 3 and array.shape[2] not in (1, 3):
        raise DataError(f"{path} has the shape {array.shape} and type {array.dtype}; images are uint8, (H, W), "
                        f"(H, W, 1) or (H, W, 3)")
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _decoded(path: Path, content: bytes) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        try:
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
        except (ValueError, EOFError, OSError):
            raise DataError(f"{path} is no .npy file; delete it, or make it again") from None
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise DataError("reading .png images needs Pillow, which is not installed; install it with: "
                        "pip install 'nomul[train]', or save the images as .npy") from None
    try:
        with Image.open(io.BytesIO(content), formats=["png"]) as image:
            return np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise DataError(f"{path} is no .png file, or truncated; delete it, or make it again") from None


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
