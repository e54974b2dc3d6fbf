"""CIFAR-10 in its binary version, six files of records of one label and 32×32 pixels in three planes."""

import hashlib
import tarfile
from pathlib import Path

import numpy as np
import torch

from nomul.sw.data import DataError, Dataset, Pixels
from nomul.sw.download import PublicFile, data_folder, fetch

__all__ = ["cifar10"]

_FOLDER = "cifar-10-batches-bin"
_TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = "test_batch.bin"
#: Records a file, and the shape of an image.
_RECORDS, _SHAPE = 10_000, (3, 32, 32)
_CLASSES = 10

#: As published on https://www.cs.toronto.edu/~kriz/cifar.html.
_ARCHIVE = PublicFile("cifar-10-binary.tar.gz", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                      "c32a1d4ab5d03f1284b67883e8d87530")


def cifar10() -> Dataset:
    """Photographs of ten kinds of things: 50 000 training and 10 000 test images, pixels in 64ths from 0 to 255/64.

    They are read from the folder that `NOMUL_DATA` names: from the folder `cifar-10-batches-bin` in it, else from
    `cifar-10-binary.tar.gz`, which is downloaded if it is not there, either.

    Raises
    ------
    DataError
        If the files cannot be had, or are not what they should be.
    """
    folder = data_folder("cifar10")
    if (folder / _FOLDER).is_dir():
        contents = {name: _file(folder / _FOLDER / name) for name in (*_TRAINING, _TEST)}
    else:
        path = folder / _ARCHIVE.name
        contents = _unpacked(path if path.exists() else fetch(_ARCHIVE, folder))
    parts = {name: _records(content, name) for name, content in contents.items()}
    training = [parts[name] for name in _TRAINING]
    return Dataset("cifar10", _images(training), _labels(training), _images([parts[_TEST]]), _labels([parts[_TEST]]),
                   _CLASSES)


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; unpack {_ARCHIVE.name} again") from None


def _unpacked(path: Path) -> dict[str, bytes]:
    """The six files of the archive, which must be the published one."""
    found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if found != _ARCHIVE.md5:
        raise DataError(f"{path} is truncated or altered: its MD5 is {found}, not {_ARCHIVE.md5}; delete it, and it is "
                        f"downloaded again")
    with tarfile.open(path) as archive:
        return {name: archive.extractfile(f"{_FOLDER}/{name}").read()  # type: ignore[union-attr]
                for name in (*_TRAINING, _TEST)}


def _records(content: bytes, name: str) -> np.ndarray:
    """uint8 (records, 1 + pixels), checked."""
    length = 1 + int(np.prod(_SHAPE))
    if len(content) != _RECORDS * length:
        raise DataError(f"{_FOLDER}/{name} has {len(content)} bytes instead of {_RECORDS * length}: it is truncated or "
                        f"something else; unpack {_ARCHIVE.name} again")
    records = np.frombuffer(content, np.uint8).reshape(_RECORDS, length)
    if records[:, 0].max() >= _CLASSES:
        raise DataError(f"{_FOLDER}/{name} has the label {records[:, 0].max()}; labels are 0 to {_CLASSES - 1}: it is "
                        f"no file of CIFAR-10's binary version; unpack {_ARCHIVE.name} again")
    return records


def _images(parts: list[np.ndarray]) -> Pixels:
    return Pixels(np.concatenate([part[:, 1:] for part in parts]).reshape(-1, *_SHAPE))


def _labels(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([part[:, 0] for part in parts]).astype(np.int64))
