"""From Verilog to a shared library that simulates it, kept by the hash of everything that went into it."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nomul.cosim import toolchain
from nomul.cosim.toolchain import ToolchainError

__all__ = ["build"]

_WRAPPER = Path(__file__).with_name("model.cpp")
_VERILATE = ("--cc", "--exe", "--prefix", "Vdut", "-Mdir", ".", "-Wno-lint", "-Wno-fatal", "--no-timing",
             "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
             "-CFLAGS", "-fPIC", "-LDFLAGS", "-shared -s", "-o", "model.so")
_MAKE = ("OPT_SLOW=-O0", "OPT_GLOBAL=-O2")
_DECLARATION = re.compile(r"^\s*VL_(IN|OUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)", re.MULTILINE)
_CLOCKS = ("clk", "clock", "aclk")


def _call(command: list[str], folder: Path, environment: dict[str, str], what: str) -> None:
    """Runs a build step; on failure raises with the last lines that say something."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line or "%" in line]
        raise ToolchainError(f"{what} failed: {' | '.join(lines[:3]) or f'exit code {done.returncode}'}")


def _ports_inc(header: str) -> str:
    """The table of ports for model.cpp, from the header that Verilator wrote."""
    lines = []
    for direction, member, high, low in _DECLARATION.findall(header):
        name = re.sub(r"__0([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), member)
        bits = int(high) - int(low) + 1
        lines.append(f'PORT("{name}", {member}, {bits}, {int(direction == "OUT")})')
        if direction == "IN" and bits == 1 and name.lower() in _CLOCKS:
            lines.append(f"#define CLOCK {member}")
    return "\n".join(lines) + "\n"


def build(verilog: str, top: str, folder: str | Path | None = None, *, optimize: int = 2,
          options: Sequence[str] = ()) -> Path:
    """Compiles a design to a shared library, or finds the one compiled before.

    Parameters
    ----------
    verilog : str
        Verilog text, complete.
    top : str
        Name of the top module; its clock, if any, is the input called ``clk``, ``clock`` or ``aclk``.
    folder : path, optional
        Where the libraries are kept; by default ``verilated`` in `toolchain.cache_folder`.
    optimize : int
        The compiler's level for what runs every cycle. 2 pays unless there is much code that runs for few cycles;
        0 costs a factor of ten, 3 gains nothing.
    options : sequence of str
        More arguments for Verilator; `bench/verilator_options.py` compares some.

    Returns
    -------
    Path
        ``model.so`` in a folder that is called by the hash of everything that went into it. It appears there
        whole or not at all, also when several processes build at once.

    Raises
    ------
    ToolchainError
        If a tool is missing, or the Verilog has an error.
    """
    wrapper = _WRAPPER.read_text(encoding="utf-8")
    settings = (*_MAKE, f"OPT_FAST=-O{optimize}")
    arguments = (*_VERILATE, *options)
    key = "\0".join([verilog, top, wrapper, toolchain.identity(), *arguments, *settings, sys.platform])
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    home = Path(folder) if folder is not None else toolchain.cache_folder() / "verilated"
    library = home.absolute() / digest / "model.so"
    if library.is_file():
        return library
    environment = toolchain.environment()
    home.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=home))
    try:
        (work / "design.v").write_text(verilog, encoding="utf-8")
        (work / "wrapper.cpp").write_text(wrapper, encoding="utf-8")
        _call(["verilator", *arguments, "--top-module", top, "design.v", "wrapper.cpp"], work, environment,
              f"Verilator on {top!r}")
        ports = _ports_inc((work / "Vdut.h").read_text(encoding="utf-8"))
        (work / "ports.inc").write_text(ports, encoding="utf-8")
        _call(["make", "-s", f"-j{os.cpu_count() or 1}", "-f", "Vdut.mk", *settings,
               "model.so"], work, environment, f"compiling the model of {top!r}")
        finished = Path(tempfile.mkdtemp(prefix=f"{digest}.", dir=home))
        for name in ("model.so", "design.v"):
            os.replace(work / name, finished / name)
        try:
            finished.rename(library.parent)
        except OSError:                     # another process was faster; its result is as good
            shutil.rmtree(finished)
    finally:
        shutil.rmtree(work)
    return library
