"""MNIST from files under `$NOMUL_DATA`, downloaded if need be, and believed only if every byte is the original's."""

import gzip
import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nomul.sw.data import PIXEL_STEP, DataError, Dataset
from nomul.sw.download import PublicFile, data_folder, fetch

__all__ = ["mnist"]

_ARCHIVE = "mnist.npz"
_IDX_UINT8 = 8
_HOME = "https://ossci-datasets.s3.amazonaws.com/mnist"


class _Part(NamedTuple):
    """One of the four files: its shape, the MD5 of its contents, unpacked, and that of the published, packed file."""

    file: str
    shape: tuple[int, ...]
    md5: str
    packed_md5: str

    @property
    def header(self) -> bytes:
        """What an IDX file of this shape begins with."""
        return struct.pack(f">4B{len(self.shape)}I", 0, 0, _IDX_UINT8, len(self.shape), *self.shape)


#: By the name of the array in the archive.
_PARTS = {
    "x_train": _Part("train-images-idx3-ubyte", (60000, 28, 28), "6bbc9ace898e44ae57da46a324031adb",
                     "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    "y_train": _Part("train-labels-idx1-ubyte", (60000,), "a25bea736e30d166cdddb491f175f624",
                     "d53e105ee54ea40749a09fcbcd1e9432"),
    "x_test": _Part("t10k-images-idx3-ubyte", (10000, 28, 28), "2646ac647ad5339dbf082846283269ea",
                     "9fb629c4189551a2d022fa330f9573f3"),
    "y_test": _Part("t10k-labels-idx1-ubyte", (10000,), "27ae3e4e09519cfbb04c329615203637",
                     "ec29112dd5afa0611ce80d1b7f02629c"),
}


def mnist() -> Dataset:
    """Handwritten digits of 28×28 pixels: 60 000 training and 10 000 test images, pixels in 64ths from 0 to 255/64.

    They are read from the folder that the environment variable `NOMUL_DATA` names: from `mnist.npz` (uint8 arrays
    x_train, y_train, x_test and y_test), else from the four standard IDX files, each plain or with `.gz`; those that
    are not there are downloaded.

    Raises
    ------
    DataError
        If the files cannot be had, or their content is not MNIST's; says what to put where.
    """
    folder = data_folder("mnist")
    archive = folder / _ARCHIVE
    if archive.exists():
        arrays = _from_archive(archive)
    else:
        arrays = {name: _from_idx(folder, part) for name, part in _PARTS.items()}
    return Dataset("mnist", _images(arrays["x_train"]), _labels(arrays["y_train"]),
                   _images(arrays["x_test"]), _labels(arrays["y_test"]))


def _from_archive(path: Path) -> dict[str, np.ndarray]:
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _PARTS}
    except KeyError as error:
        raise DataError(f"{path}: {error.args[0]}; it must have the arrays {', '.join(_PARTS)}") from None
    except Exception:  # zipfile and NumPy meet damaged bytes with errors of a dozen kinds
        raise DataError(f"{path} cannot be read as an .npz archive: it is truncated or something else; "
                        f"get it again") from None
    for name, part in _PARTS.items():
        array = arrays[name]
        if array.dtype != np.uint8 or array.shape != part.shape:
            raise DataError(f"{path}: {name} has the shape {array.shape} and type {array.dtype}, "
                            f"but MNIST's is {part.shape}, uint8")
        _check(part, part.header + array.tobytes(), f"{path}: {name}")
    return arrays


def _from_idx(folder: Path, part: _Part) -> np.ndarray:
    path = folder / part.file
    packed = path.with_name(f"{path.name}.gz")
    if path.exists():
        content = path.read_bytes()
    else:
        if not packed.exists():
            fetch(PublicFile(packed.name, f"{_HOME}/{packed.name}", part.packed_md5), folder)
        path = packed
        try:
            content = gzip.decompress(packed.read_bytes())
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise DataError(f"{packed} cannot be unpacked: it is truncated or no gzip file; delete it, and it is "
                            f"downloaded again") from None
    _check(part, content, str(path))
    return np.frombuffer(content, np.uint8, offset=len(part.header)).reshape(part.shape)


def _check(part: _Part, content: bytes, where: str) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != part.md5:
        raise DataError(f"{where} is truncated or altered: its content as an IDX file has the MD5 {found}, "
                        f"MNIST's has {part.md5}; get it again")


def _images(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32) * np.float32(PIXEL_STEP))[:, None]


def _labels(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(labels.astype(np.int64))
