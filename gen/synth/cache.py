"""Results of slow tools, kept by the hash of everything that went into them."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from nomul.gen.spec.cache import cache_home
from nomul.gen.synth.tools import ToolError

__all__ = ["cache_folder", "kept"]


def cache_folder() -> Path:
    """Where results are kept: ``synth`` in `nomul.gen.spec.cache.cache_home`."""
    return cache_home() / "synth"


def kept(home: Path, key: Sequence[str], make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled for this key, now or earlier.

    Parameters
    ----------
    home : Path
        Folder of all results.
    key : sequence of str
        Everything that the result depends on, the versions of tools included.
    make : callable
        Fills the empty folder that it is given. If it raises ToolError, that folder stays for its log to be read.

    Returns
    -------
    Path
        A folder called by the hash of `key`. It appears whole or not at all, also when several processes make it.

    Raises
    ------
    ToolError
        If the folder cannot be made, or when `make` does.
    """
    digest = hashlib.sha256("\0".join(key).encode()).hexdigest()[:24]
    folder = home / digest
    if folder.is_dir():
        return folder
    try:
        home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=home))
    except OSError as error:
        raise ToolError(f"cannot keep results of tools in {home} ({error.strerror}); set NOMUL_CACHE to a folder that "
                        "can be written to") from None
    try:
        make(work)
    except ToolError:
        raise
    except BaseException:
        shutil.rmtree(work)
        raise
    try:
        work.rename(folder)
    except OSError:                     # another process was faster; its result is as good
        shutil.rmtree(work)
    return folder
