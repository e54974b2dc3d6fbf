"""Published files of data sets: in the user's folder, else downloaded into it, and believed only by their checksum."""

import hashlib
import os
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from nomul.sw.data import DataError

__all__ = ["PublicFile", "data_folder", "fetch"]

_TIMEOUT_SECONDS = 30


class PublicFile(NamedTuple):
    """A file that its makers publish: its name, where it is, and its MD5."""

    name: str
    url: str
    md5: str


def data_folder(dataset: str) -> Path:
    """The folder that the environment variable `NOMUL_DATA` names.

    Parameters
    ----------
    dataset : str
        What is looked for; for the message.

    Raises
    ------
    DataError
        If it is not set, or there is no such folder.
    """
    name = os.environ.get("NOMUL_DATA")
    if not name:
        raise DataError(f"the {dataset} data set was not found: the environment variable NOMUL_DATA, which names the "
                        f"folder of data sets, is not set; set it to a folder, into which missing public files are "
                        f"downloaded")
    folder = Path(name)
    if not folder.is_dir():
        raise DataError(f"the {dataset} data set was not found: there is no folder {folder}, which NOMUL_DATA names; "
                        f"create it, or set NOMUL_DATA to another one")
    return folder


def fetch(file: PublicFile, folder: Path) -> Path:
    """Downloads a file into a folder, whole or not at all.

    Raises
    ------
    DataError
        If it cannot be had, is not what its makers published, or cannot be written; says what to do instead.
    """
    advice = f"download {file.url} (MD5 {file.md5}) and put it into {folder}"
    try:
        with urllib.request.urlopen(file.url, timeout=_TIMEOUT_SECONDS) as reply:
            content = reply.read()
    except (OSError, HTTPException, ValueError) as error:
        raise DataError(f"there is no {file.name} in {folder}, and it cannot be downloaded ({error}): "
                        f"{advice}") from None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != file.md5:
        raise DataError(f"what {file.url} gives has the MD5 {found} instead of {file.md5}, and was not kept: try again "
                        f"later, or {advice}")
    path = folder / file.name
    try:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            (Path(work) / file.name).write_bytes(content)
            os.replace(Path(work) / file.name, path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; make the folder writable, or {advice}") from None
    return path
