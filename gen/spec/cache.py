"""Where nomul keeps what takes long to make: simulators, native kernels, results of tools."""

import os
from pathlib import Path

__all__ = ["cache_home"]


def cache_home() -> Path:
    """`$NOMUL_CACHE`, `$XDG_CACHE_HOME/nomul`, or `~/.cache/nomul`. Safe to delete at any time."""
    own = os.environ.get("NOMUL_CACHE")
    return (Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nomul").absolute()
