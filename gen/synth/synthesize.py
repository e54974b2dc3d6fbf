"""From Verilog to a netlist of a fabric's cells, and what they count as."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.lut6 import pack_lut6
from nomul.gen.synth.targets import Target, find_target
from nomul.gen.synth.tools import Progress, ToolError, run_tool, tool_version

__all__ = ["HIDE", "Resources", "Synthesis", "count", "synthesize"]

_DESIGN, _SCRIPT, _LOG = "design.v", "synthesis.ys", "synthesis.log"
_JSON, _VERILOG = "netlist.json", "netlist.v"
#: Amaranth names parts of a bus like its bits (`weights[0]`), on which ABC9 fails without a word. Ports keep theirs.
HIDE = "rename -hide w:*[*"


@dataclass(frozen=True)
class Resources:
    """What a netlist takes, counted by the rule of its target (`Target.counting`).

    Parameters
    ----------
    luts : int
        Including those that are part of a carry cell.
    carries : int
        Carry cells: CCU2C (2 bits), SB_CARRY (1), ALU (1), CARRY4 (4).
    ffs, dsps, memories : int
        Flip-flops, multiplier blocks, memory cells.
    """

    luts: int
    carries: int
    ffs: int
    dsps: int
    memories: int


@dataclass(frozen=True)
class Synthesis:
    """A synthesized design.

    Parameters
    ----------
    target : str
        Name of its `Target`.
    cells : dict of str to int
        How many there are of each type of cell.
    resources : Resources
        What they count as.
    json, verilog : Path
        The netlist, flat: as nextpnr reads it, and for simulation with the vendor's cell models.
    folder : Path
        Where both are, with the design, the script and the log.
    """

    target: str
    cells: dict[str, int]
    resources: Resources
    json: Path
    verilog: Path
    folder: Path


def count(target: Target, cells: Mapping[str, Mapping[str, Any]]) -> Resources:
    """Counts the cells of a flat netlist, given as ``cells`` of its module in the JSON of Yosys."""
    types = Counter(cell["type"] for cell in cells.values())

    def number(patterns: tuple[str, ...]) -> int:
        return sum(amount for kind, amount in types.items() if any(fnmatchcase(kind, name) for name in patterns))

    luts = sum(weight * types[kind] for kind, weight in target.luts.items())
    if target.packs_luts:
        luts += pack_lut6(cells).luts
    return Resources(luts, number(target.carries), number(target.ffs), number(target.dsps), number(target.memories))


def _module(path: Path, top: str) -> dict[str, Any]:
    """The top module of a JSON netlist."""
    module: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["modules"][top]
    return module


def _check(path: Path, top: str, log: Path) -> None:
    """Refuses a netlist with cells that are not of the fabric, and leaves the vendor's library out of it."""
    modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
    library = {name for name, entry in modules.items() if {"blackbox", "whitebox"} & set(entry["attributes"])}
    module = modules[top]
    module["cells"] = {name: cell for name, cell in module["cells"].items() if cell["type"] != "$scopeinfo"}
    unmapped = sorted({cell["type"] for cell in module["cells"].values()} - library)
    if unmapped:
        raise ToolError(f"yosys left cells in {path} that the fabric does not have: {', '.join(unmapped)}; see {log}")
    path.write_text(json.dumps({"creator": "nomul", "modules": {top: module}}), encoding="utf-8")


def synthesize(verilog: str, top: str, target: str, *, dsp: bool = False, rtlil: bool = False,
               cache: Path | None = None, progress: Progress | None = None) -> Synthesis:
    """Synthesizes a design for a fabric, or finds the result of an earlier time.

    Parameters
    ----------
    verilog : str
        Verilog text, complete but for the primitives of the fabric.
    top : str
        Name of the top module.
    target : str
        Name of a `Target`.
    dsp : bool
        Whether multiplier blocks may be used.
    rtlil : bool
        Whether the text is RTLIL, which Yosys reads much faster, instead of Verilog.
    cache : Path, optional
        Where results are kept; `cache_folder` by default.
    progress : callable, optional
        Told, in one line each, what takes long.

    Returns
    -------
    Synthesis
        Netlists, cells and counts. The netlist's ports are those of the top module, without buffers.

    Raises
    ------
    TargetError
        For an unknown target.
    ToolError
        If Yosys is missing or fails, for example because of an error in the Verilog text.
    """
    goal = find_target(target)
    options = f"{goal.command} {goal.with_dsp if dsp else goal.without_dsp}".strip()
    script = (f"read_{'rtlil' if rtlil else 'verilog'} {_DESIGN}\n{HIDE}\n{options} -top {top} -json {_JSON}\n"
              f"write_verilog -noattr {_VERILOG}\n")

    def make(folder: Path) -> None:
        (folder / _DESIGN).write_text(verilog, encoding="utf-8")
        (folder / _SCRIPT).write_text(script, encoding="utf-8")
        run_tool("yosys", ["-q", "-s", _SCRIPT], folder, [_JSON, _VERILOG], log=_LOG, progress=progress)
        _check(folder / _JSON, top, folder / _LOG)

    folder = kept(cache or cache_folder(), ["synthesis", tool_version("yosys"), script, verilog], make)
    cells = _module(folder / _JSON, top)["cells"]
    types = Counter(cell["type"] for cell in cells.values())
    return Synthesis(target, dict(sorted(types.items())), count(goal, cells), folder / _JSON, folder / _VERILOG, folder)
