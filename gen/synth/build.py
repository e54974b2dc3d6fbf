"""From a board's design to its bitstream: runs the tools, and says what the design takes, how fast it is, and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.family import Family
from nomul.gen.synth.paths import slowest_path
from nomul.gen.synth.tools import CirclesError, Progress, ToolError, run_tool, tool_version
from nomul.gen.synth.utilization import count_netlist, overfull, reported, too_much

__all__ = ["Build", "BuildError", "build"]

#: How often a way is looked for: with two routers, and as many seeds of the placer as that allows.
_TRIES = 8
#: What a tool does, for people who wait for it.
_WHAT = {"yosys": "synthesis", "python3": "output registers", "nextpnr": "place and route, which takes minutes"}


class BuildError(ToolError):
    """A design that does not fit on its board, or is too slow for the board's clock."""


class Design(Protocol):
    """What `build` asks of a board (see `nomul.boards.base.Board`)."""

    name: str
    family: Family
    resources: Mapping[str, int]
    clock_hz: int

    def steps(self, top: str) -> Sequence[Any]:
        """The tools, in order."""


@dataclass(frozen=True)
class Build:
    """A bitstream, and what is known of it.

    Attributes
    ----------
    board, top : str
        Names of the board and of the design.
    resources : dict
        Of each kind: how many are used and how many there are, as ``{"used", "available"}``.
    fmax_mhz, constraint_mhz : float
        Clock rate of the slowest path between two registers, and that of the board.
    critical_path : list of str
        That path: for each step its delay, and the module and net that it goes through.
    path_modules : list of (str, float)
        The modules that it goes through, in order, and how many nanoseconds it spends in each.
    bitstream : Path
        The file; the logs of the tools lie beside it.
    """

    board: str
    top: str
    resources: dict[str, dict[str, int]]
    fmax_mhz: float
    constraint_mhz: float
    critical_path: list[str]
    path_modules: list[tuple[str, float]]
    bitstream: Path

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        values = asdict(self)
        del values["bitstream"]
        values["path_modules"] = [{"module": module, "ns": delay} for module, delay in self.path_modules]
        return values


def build(board: Design, top: str, files: Mapping[str, str], *, cache: Path | None = None,
          progress: Progress | None = None) -> Build:
    """Makes the bitstream of a design, or finds that of an earlier time.

    Parameters
    ----------
    board : Design
        The board.
    top : str
        Name of the top module and of the files.
    files : mapping of str to str
        Text of the design's files, as the board's `emit` gives them.
    cache : Path, optional
        Where results are kept; `cache_folder` by default.
    progress : callable, optional
        Told, in one line each, what takes long.

    Raises
    ------
    BuildError
        If the design takes more than the chip has, or does not reach the board's clock rate; names the slowest path.
    ToolError
        If a tool is missing or fails; names its log.
    """
    steps = board.steps(top)
    if not steps:
        raise BuildError(f"open tools make no bitstream for board {board.name}: `nomul generate --board {board.name}` "
                         "writes the design with a script for the vendor's tool")

    def make(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        for step in steps:
            if progress:
                progress(f"{step.tool}: {_WHAT.get(step.tool.partition('-')[0], 'bitstream')}")
            log = f"{step.tool}.log"
            try:
                _run(step, folder, log, progress)
            except ToolError:
                if step.tool == board.family.place and (folder / log).exists():
                    _refuse(board, overfull((folder / log).read_text(encoding="utf-8"), board.family), folder)
                raise
            if step.tool == "yosys":
                counted = count_netlist(folder / f"{top}.json", top, board.family)
                _refuse(board, too_much(counted, board.resources), folder)

    key = ["build", *(f"{step} {tool_version(step.tool)}" for step in steps), *map(str, sorted(files.items()))]
    folder = kept(cache or cache_folder(), key, make)
    counted = count_netlist(folder / f"{top}.json", top, board.family)
    _refuse(board, too_much(counted, board.resources), folder)
    report = json.loads((folder / f"{top}.report").read_text(encoding="utf-8"))
    path, constraint = slowest_path(report), board.clock_hz / 1e6
    if path is None:
        raise BuildError(f"the design has no path between two registers, and so no clock rate; see {folder}")
    if path.fmax_mhz < constraint:
        raise BuildError(f"the design reaches {path.fmax_mhz:.1f} MHz, board {board.name} runs at {constraint:g} MHz; "
                         f"the slowest path: {path.words}, step by step: {'; '.join(path.steps)}; take a smaller "
                         f"configuration; logs are in {folder}")
    return Build(board.name, top, reported(report, board.family, counted, board.resources), path.fmax_mhz, constraint,
                 path.steps, path.modules, folder / steps[-1].outputs[0])


def _run(step: Any, folder: Path, log: str, progress: Progress | None) -> None:
    """Runs a tool; a router that goes in circles is followed by the other one, and that by both with the next seed."""
    arguments = list(step.arguments)
    for tries in range(1, _TRIES + 1):
        try:
            run_tool(step.tool, arguments, folder, step.outputs, log=log, progress=progress)
            return
        except CirclesError:
            if tries == _TRIES:
                raise
            arguments = [*step.arguments, *(("--router", "router2") if tries % 2 else ())]
            seed = arguments.index("--seed") + 1
            arguments[seed] = str(int(arguments[seed]) + tries // 2)
            if progress:
                what = "with the other router" if tries % 2 else f"with seed {arguments[seed]}"
                progress(f"{step.tool}: its router goes in circles; once more, {what}")


def _refuse(board: Design, excess: str | None, folder: Path) -> None:
    """Before minutes of place and route, or of another try."""
    if excess is not None:
        raise BuildError(f"the design takes {excess} on board {board.name}: take a configuration with fewer lanes, "
                         f"columns, operators or requantizers, or smaller memories; logs are in {folder}")
