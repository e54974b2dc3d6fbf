"""One container for every artifact: a header (JSON) and tensors in a safetensors file, with kind, version and hash.

No pickle, so a file cannot run code. The same content gives the same bytes.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from nomul.gen.spec.errors import NomulError

__all__ = ["KINDS", "VERSION", "Container", "ContainerError", "content_hash", "load", "rebuilding", "save"]

#: Version of all kinds; raised whenever the meaning of a header or tensor changes.
VERSION = 1

#: What each kind is made by, for messages.
KINDS = {"checkpoint": "nomul train", "training": "nomul train", "network": "nomul quantize",
         "program": "nomul compile"}

_KEY = "nomul"


class ContainerError(NomulError):
    """A file that cannot be read as what it should be, or written."""


class Container(NamedTuple):
    """A file's content."""

    kind: str
    version: int
    header: dict[str, Any]
    tensors: dict[str, np.ndarray]
    hash: str


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(kind: str, header: dict[str, Any], tensors: dict[str, np.ndarray], version: int = VERSION) -> str:
    """Sixteen hexadecimal digits over kind, version, header and tensors (names, types, shapes, bytes)."""
    digest = hashlib.sha256()
    shapes = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in sorted(tensors)]
    digest.update(_canonical([kind, version, header, shapes]).encode())
    for name in sorted(tensors):
        digest.update(np.asarray(tensors[name]).tobytes())
    return digest.hexdigest()[:16]


def save(path: str | Path, kind: str, header: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    """Writes a file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where to; an existing file is replaced.
    kind : str
        One of `KINDS`.
    header : dict
        JSON-able values; equal values give equal bytes, whatever their order.
    tensors : dict of str to np.ndarray
        Of any shape, little-endian.

    Returns
    -------
    str
        The content hash.

    Raises
    ------
    ContainerError
        If the file cannot be written.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    digest = content_hash(kind, header, tensors)
    about = _canonical({"kind": kind, "version": VERSION, "hash": digest, "header": header})
    data = to_bytes({name: np.asarray(tensors[name], order="C") for name in sorted(tensors)}, metadata={_KEY: about})
    path = Path(path)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ContainerError(f"cannot write {str(path)!r}: {error.strerror}") from None
    return digest


def load(path: str | Path, kind: str | None = None) -> Container:
    """Reads a file and checks that nothing in it has changed.

    Parameters
    ----------
    path : str or Path
        A file that `save` wrote.
    kind : str, optional
        The kind that it must be; None takes any.

    Raises
    ------
    ContainerError
        If the file is missing, no container, truncated, altered, or of another kind or version.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise ContainerError(f"{str(path)!r} is a safetensors file, but not one of nomul's: "
                                     f"give a file that {_commands()} wrote")
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except SafetensorError as error:
        raise ContainerError(f"{str(path)!r} is truncated or no nomul file ({error}): copy it again, or give a file "
                             f"that {_commands()} wrote") from None
    except OSError as error:
        raise ContainerError(f"cannot read {str(path)!r}: {error.strerror or error}") from None
    return _checked(path, kind, metadata[_KEY], tensors)


@contextmanager
def rebuilding(path: str | Path, kind: str) -> Iterator[None]:
    """For what a reader makes of a sound file: content that does not fit `kind` becomes a one-line error.

    Such a file was written by another version of nomul, or by another program.

    Raises
    ------
    ContainerError
        Instead of the errors that missing or wrong values lead to.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError):
        raise ContainerError(f"{str(path)!r} is no {kind} that this nomul understands: "
                             f"make it again with `{KINDS[kind]}`") from None


def _commands() -> str:
    return " or ".join(f"`{command}`" for command in dict.fromkeys(KINDS.values()))


def _checked(path: str | Path, kind: str | None, about: str, tensors: dict[str, np.ndarray]) -> Container:
    try:
        found = json.loads(about)
        content = Container(found["kind"], int(found["version"]), dict(found["header"]), tensors, found["hash"])
    except (ValueError, KeyError, TypeError):
        raise ContainerError(f"{str(path)!r} has been altered: its description is unreadable; make it again") from None
    if content.version != VERSION:
        age, way_out = ("newer", "update nomul") if content.version > VERSION else ("older", "make the file again")
        raise ContainerError(f"{str(path)!r} has the {age} format version {content.version}, this nomul reads "
                             f"version {VERSION}: {way_out}")
    if content_hash(content.kind, content.header, tensors, content.version) != content.hash:
        raise ContainerError(f"{str(path)!r} has been altered: its content does not match its hash; "
                             f"make it again with `{KINDS.get(content.kind, 'nomul')}`")
    if kind not in (None, content.kind):
        raise ContainerError(f"{str(path)!r} is a {content.kind} file, but a {kind} file is needed: "
                             f"`{KINDS[str(kind)]}` makes one")
    return content
