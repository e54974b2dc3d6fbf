"""From a board's design to its bitstream: runs the tools, and says what the design takes, how fast it is, and why."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from nomul.gen.spec.errors import NomulError
from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.tools import Progress, run_tool, tool_version

__all__ = ["Build", "BuildError", "build"]

#: nextpnr's names of what a chip has.
_RESOURCES = {"luts": ("TRELLIS_COMB",), "ffs": ("TRELLIS_FF",), "memories": ("DP16KD",),
              "dsps": ("MULT18X18D", "ALU54B")}
#: A name of the netlist down to the module that it is in; what tools add to names begins with a capital or a dollar.
_MODULE = re.compile(r"^(?:[a-z_]\w*\.)*")


class BuildError(NomulError):
    """A design that does not fit on its board, or is too slow for the board's clock."""


class Design(Protocol):
    """What `build` asks of a board (see `nomul.boards.base.Board`)."""

    name: str
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
    from_module, to_module : str
        Where it begins and ends.
    folder : Path
        With the bitstream ``TOP.bit``, and the logs of the tools.
    """

    board: str
    top: str
    resources: dict[str, dict[str, int]]
    fmax_mhz: float
    constraint_mhz: float
    critical_path: list[str]
    from_module: str
    to_module: str
    folder: Path

    @property
    def bitstream(self) -> Path:
        """The file."""
        return self.folder / f"{self.top}.bit"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        values = asdict(self)
        del values["folder"]
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

    def make(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        for step in steps:
            if progress:
                progress(f"{step.tool}: {_WHAT.get(step.tool, 'bitstream')}")
            run_tool(step.tool, step.arguments, folder, step.outputs, log=f"{step.tool}.log", progress=progress)
            if step.tool == "yosys":
                _check_fits(board, folder / f"{top}.json", top)

    key = ["build", *(f"{step} {tool_version(step.tool)}" for step in steps), *map(str, sorted(files.items()))]
    folder = kept(cache or cache_folder(), key, make)
    _check_fits(board, folder / f"{top}.json", top)
    result = _result(board, top, folder)
    if result.fmax_mhz < result.constraint_mhz:
        raise BuildError(f"the design reaches {result.fmax_mhz:.1f} MHz, board {board.name} runs at "
                         f"{result.constraint_mhz:g} MHz; the slowest path is from {result.from_module} to "
                         f"{result.to_module}: {'; '.join(result.critical_path)}; take a smaller configuration")
    return result


_WHAT = {"yosys": "synthesis", "nextpnr-ecp5": "place and route, which takes minutes"}
#: Netlist cells of Yosys by what they take of a chip; a carry cell is two look-up tables.
_CELLS = {"LUT4": ("luts", 1), "CCU2C": ("luts", 2), "TRELLIS_DPR16X4": ("luts", 6), "TRELLIS_FF": ("ffs", 1),
          "DP16KD": ("memories", 1), "PDPW16KD": ("memories", 1)}


def _check_fits(board: Design, netlist: Path, top: str) -> None:
    """Before minutes of place and route."""
    used = dict.fromkeys(board.resources, 0)
    for cell in json.loads(netlist.read_text(encoding="utf-8"))["modules"][top]["cells"].values():
        if cell["type"] in _CELLS:
            kind, amount = _CELLS[cell["type"]]
            used[kind] += amount
    for kind, available in board.resources.items():
        if used[kind] > available:
            raise BuildError(f"the design takes {used[kind]} {kind}, board {board.name} has {available}, "
                             f"{used[kind] - available} too few: take a configuration with fewer lanes, columns, "
                             "operators or requantizers, or smaller memories")


def _result(board: Design, top: str, folder: Path) -> Build:
    report = json.loads((folder / f"{top}.report").read_text(encoding="utf-8"))
    resources = {kind: {"used": sum(report["utilization"][name]["used"] for name in names),
                        "available": sum(report["utilization"][name]["available"] for name in names)}
                 for kind, names in _RESOURCES.items()}
    clock, entry = min(report["fmax"].items(), key=lambda item: item[1]["achieved"] / item[1]["constraint"])
    path = max((each["path"] for each in report["critical_paths"]
                if each["from"].endswith(f" {clock}") and each["to"].endswith(f" {clock}")),
               key=lambda path: sum(part["delay"] for part in path))
    return Build(board.name, top, resources, entry["achieved"], board.clock_hz / 1e6, [_step(part) for part in path],
                 _module(path[0]["from"]["cell"]), _module(path[-1]["to"]["cell"]), folder)


def _module(cell: str) -> str:
    """The module of our hierarchy that a cell belongs to, as far as its name tells."""
    found = _MODULE.match(cell)
    return (found[0].rstrip(".") if found else "") or "the top module"


def _step(part: Mapping[str, Any]) -> str:
    what = part["net"] if part["type"] == "routing" else part["to"]["cell"]
    return f"{part['delay']:.2f} ns {part['type']} {what}"
