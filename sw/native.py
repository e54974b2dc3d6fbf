"""Compiles a C++ source once for this machine and loads it: for loops that PyTorch has no fast form of."""

import ctypes
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from nomul.gen.spec.cache import cache_home

__all__ = ["NativeError", "load_library"]

#: Not -ffast-math: with it, g++ makes the loaded library flush denormals to zero in the whole process.
_FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-signed-zeros", "-fno-trapping-math",
          "-shared", "-fPIC")


class NativeError(Exception):
    """The library cannot be built or loaded here; the caller falls back to PyTorch."""


def _processor() -> str:
    """What `-march=native` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))


def _texts(source: Path) -> list[str]:
    """The source's, and those of the headers beside it that it includes, directly or not."""
    text = source.read_text()
    headers = re.findall(r'^#include "(.+)"', text, re.MULTILINE)
    return [text, *(part for header in headers for part in _texts(source.with_name(header)))]


@functools.cache
def load_library(source: Path) -> ctypes.CDLL:
    """The library built from `source`, compiled on first use.

    The file name is a hash of source (with the headers that it includes in quotation marks), flags, compiler and
    processor, and the file appears in one step, so that several processes may start at once.

    Raises
    ------
    NativeError
        Without g++, or when it or the loading fails.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise NativeError("g++ is not installed")
    try:
        version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
        key = "\0".join([*_texts(source), *_FLAGS, version, _processor()])
        library = cache_home() / f"{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
        if not library.exists():
            library.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=library.parent) as folder:
                built = Path(folder) / library.name
                subprocess.run([compiler, *_FLAGS, "-o", built, source], capture_output=True, text=True, check=True)
                os.replace(built, library)
        return ctypes.CDLL(str(library))
    except subprocess.CalledProcessError as error:
        raise NativeError(f"g++ failed: {(error.stderr or '').strip()[:500]}") from None
    except OSError as error:
        raise NativeError(str(error)) from None
