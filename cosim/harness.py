"""Runs a cocotb bench on a component: built once a netlist, then run with a seed, its results read back."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from amaranth.lib import wiring

from nomul.cosim import toolchain
from nomul.cosim.toolchain import ToolchainError
from nomul.gen.spec.errors import NomulError
from nomul.gen.verilog import emit_verilog

__all__ = ["BenchError", "BenchResult", "run_bench"]

_TOP = "dut"
_TIMESCALE = ("1ns", "1ps")             # Amaranth's Verilog has none
# cocotb makes every signal of the design visible (--public-flat-rw), which costs minutes of compiling for a whole
# accelerator, and most of the simulation's speed. Benches see the ports only.
_BUILD_ARGS = ("-Wno-lint", "-Wno-fatal", "--no-timing")
_ONLY_PORTS = "--no-public-flat-rw"
_PORTS = f'`verilator_config\npublic_flat_rw -module "{_TOP}" -port "*"\n'


class BenchError(NomulError):
    """A bench that found a difference, or that could not be run."""


class BenchResult(NamedTuple):
    """A bench without failures: how many tests ran, and everything that they printed."""

    tests: int
    log: str


def _runner():
    """A cocotb runner for Verilator."""
    try:
        from cocotb_tools.runner import get_runner
    except ImportError:
        raise ToolchainError("cocotb is not installed; run: pip install 'nomul[cosim]'") from None
    return get_runner("verilator")


def _key(verilog: str, arguments: list[str]) -> str:
    """Hash of all that the simulation program depends on: it loads cocotb's library from where that lies now."""
    import cocotb

    parts = [verilog, toolchain.identity(), cocotb.__version__, str(cocotb.__file__), _PORTS, *arguments, *_TIMESCALE]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _build(verilog: str, environment: Mapping[str, str], everything_visible: bool) -> Path:
    """Folder of the simulation program; made whole or not at all."""
    arguments = [*_BUILD_ARGS, *([] if everything_visible else [_ONLY_PORTS])]
    home = toolchain.cache_folder() / "cocotb"
    folder = home / _key(verilog, arguments)
    if (folder / _TOP).is_file():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=home))
    try:
        (work / "design.v").write_text(verilog, encoding="utf-8")
        (work / "ports.vlt").write_text(_PORTS, encoding="utf-8")
        log = work / "build.log"
        try:
            with mock.patch.dict("os.environ", environment, clear=True):
                _runner().build(sources=[work / "ports.vlt", work / "design.v"], hdl_toplevel=_TOP,
                                build_dir=work / "build", build_args=arguments, timescale=_TIMESCALE,
                                log_file=log)
        except (Exception, SystemExit):
            raise BenchError("the bench's simulator cannot be built:\n" + _tail(log)) from None
        finished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=home))
        (work / "build" / _TOP).rename(finished / _TOP)
        (work / "design.v").rename(finished / "design.v")
        try:
            finished.rename(folder)
        except OSError:                 # another process was faster; its result is as good
            shutil.rmtree(finished)
    finally:
        shutil.rmtree(work)
    return folder


def _tail(log: Path, lines: int = 40) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else "(it printed nothing)"
    return "\n".join(text.splitlines()[-lines:])


def _results(path: Path) -> tuple[int, int]:
    """Tests and failed tests that a run reported."""
    from cocotb_tools.runner import get_results

    return get_results(path) if path.is_file() else (0, 0)


def run_bench(component: wiring.Component, module: str, *, seed: int = 1,
              settings: Mapping[str, str] | None = None, everything_visible: bool = False) -> BenchResult:
    """Emits `component` as Verilog, and runs the cocotb tests of `module` on it under Verilator.

    Parameters
    ----------
    component : wiring.Component
        The design; the bench sees its Verilog ports.
    module : str
        Dotted name of the bench, for example ``nomul.cosim.tb_array``.
    seed : int
        Seed of the bench's `random`; the same seed gives the same run.
    settings : mapping, optional
        Environment variables for the bench: what it has to know about the component.

    everything_visible : bool
        Build the simulator as cocotb's own runner does, with all signals of the design in reach of the bench: slow.

    Raises
    ------
    BenchError
        If a test fails; the message ends with the end of its log.
    ToolchainError
        If a tool is missing.
    """
    environment = toolchain.environment()
    runner = _runner()
    folder = _build(emit_verilog(component, _TOP), environment, everything_visible)
    with tempfile.TemporaryDirectory(prefix="nomul-bench-") as scratch:
        log, results = Path(scratch) / "bench.log", Path(scratch) / "results.xml"
        # SystemExit is how the runner reports failed tests, and a simulator that crashed.
        with mock.patch.dict("os.environ", environment, clear=True), contextlib.suppress(SystemExit):
            runner.test(test_module=module, hdl_toplevel=_TOP, hdl_toplevel_lang="verilog",
                        build_dir=folder, test_dir=scratch, results_xml=str(results), seed=seed,
                        extra_env={"COCOTB_ANSI_OUTPUT": "0", **(settings or {})}, log_file=log)
        tests, failed = _results(results)
        if failed or not tests:
            what = f"{failed} of {tests} tests failed" if failed else "no test ran"
            raise BenchError(f"bench {module} with seed {seed}: {what}; the end of its log:\n{_tail(log)}")
        return BenchResult(tests, log.read_text(encoding="utf-8", errors="replace"))
