"""OpenSTA as a second opinion on static timing, where it is installed; no wheel brings it."""

import re
import shutil
import subprocess
from pathlib import Path

from nomul.gen.asic.errors import AsicError

__all__ = ["find_opensta", "slack"]

_SLACK = re.compile(r"^slack (-?[\d.]+(?:e-?\d+)?)$", re.MULTILINE)


def find_opensta() -> str | None:
    """The program, if there is one; Debian's package `opensta` brings it."""
    return shutil.which("sta")


def slack(program: str, script: str, folder: Path) -> float:
    """Runs a script, and reads how much time it says is left on the slowest path, ns.

    Parameters
    ----------
    program : str
        From `find_opensta`.
    script : str
        File in `folder`; prints a line ``slack NUMBER``.
    folder : Path
        Where it runs. What it prints is kept there, as ``sta.log``.

    Raises
    ------
    AsicError
        If there is no such line, or there are errors; says the first.
    """
    done = subprocess.run([program, script], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace")
    printed = done.stdout + done.stderr
    (folder / "sta.log").write_text(printed, encoding="utf-8")
    found, errors = _SLACK.search(printed), [line for line in printed.splitlines() if line.startswith("Error")]
    if found is None or errors:
        said = (errors or [printed.strip().rpartition("\n")[2] or "it printed nothing"])[0]
        raise AsicError(f"OpenSTA cannot time {script}: {said}; see {folder / 'sta.log'}")
    return float(found[1])
