"""Files that commands read and write: checked before the work, written whole or not at all."""

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from nomul.gen.spec.errors import NomulError

__all__ = ["ArgumentError", "FileError", "check_input", "check_output", "copy_file", "write_array", "write_json",
           "write_text"]


class ArgumentError(NomulError):
    """A value on the command line that is not allowed."""


class FileError(NomulError):
    """A path that cannot be read or written."""


def check_input(path: str | Path) -> Path:
    """The path, if it is a file.

    Raises
    ------
    FileError
        If there is no such file, or it is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise FileError(f"{path} is a folder; give a file")
    if not path.exists():
        raise FileError(f"no file {path}; check the path")
    return path


def check_output(path: str | Path) -> Path:
    """The path, if a file can be written there; asked before the work, not after it.

    Raises
    ------
    FileError
        If the path is a folder, or its folder is missing or not writable.
    """
    path = Path(path)
    if path.is_dir():
        raise FileError(f"{path} is a folder; give the name of a file to write")
    if not path.parent.is_dir():
        raise FileError(f"no folder {path.parent} to write {path.name} into; create it first")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"cannot write into folder {path.parent}; choose another one")
    return path


def _write(path: str | Path, data: bytes) -> None:
    path = check_output(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
    _write(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Writes a JSON file, whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def copy_file(source: Path, folder: str | Path) -> Path:
    """Copies a file into a folder, whole or not at all; returns the copy's path."""
    path = Path(folder) / source.name
    _write(path, source.read_bytes())
    return path


def write_array(path: str | Path, array: np.ndarray) -> None:
    """Writes a `.npy` file, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    _write(path, buffer.getvalue())
