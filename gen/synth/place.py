"""Places and routes a netlist by itself, for its clock rate and what it takes on the device."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.synthesize import Synthesis
from nomul.gen.synth.targets import TARGETS, Device, Target, TargetError, find_target
from nomul.gen.synth.tools import Progress, ToolError, run_tool, tool_version

__all__ = ["Routed", "place_and_route"]

_NETLIST, _REPORT, _LOG = "ports_removed.json", "report.json", "place.log"
#: A device is taken as full beyond this share: placers need some room.
_FILL = 0.9
#: The cells of iCE40 hold a LUT and a flip-flop, and only the log of packing tells which of the two is in use.
_ICE40_PACKED = re.compile(r"(\d+) LCs used as (LUT4 and DFF|DFF only)")
#: Those of Gowin pass every flip-flop's input through a LUT. The log counts LUTs, ALUs included, before these are
#: added; the report counts them without ALUs, after.
_GOWIN_LUTS = re.compile(r"LUT4: +(\d+)/")


@dataclass(frozen=True)
class Routed:
    """A design on a device.

    Parameters
    ----------
    target, device : str
        Names of the `Target` and of the `Device` that was taken.
    seed : int
        Of the placer.
    fmax_mhz : float
        Clock rate of the slowest path between two registers; paths from and to ports are left out.
    luts, ffs : int
        LUTs in use and flip-flops. LUTs that are part of a carry chain count, those included that only start or end
        one; those through which a flip-flop gets its input do not.
    critical_path : list of str
        The slowest path: for each step its delay, what it is, and the cell and port, or the net, that it is in.
    log : Path
        What nextpnr printed.
    """

    target: str
    device: str
    seed: int
    fmax_mhz: float
    luts: int
    ffs: int
    critical_path: list[str]
    log: Path


def _device(synthesis: Synthesis) -> Device:
    """The smallest device of the target that has room for a design.

    Raises
    ------
    TargetError
        If the target is synthesized only, or the design does not fit its largest device.
    """
    target, resources = find_target(synthesis.target), synthesis.resources
    if target.nextpnr is None:
        routable = ", ".join(sorted(name for name, other in TARGETS.items() if other.nextpnr))
        raise TargetError(f"designs for {target.name!r} are synthesized but not routed; targets with place and "
                          f"route are {routable}")
    for device in target.devices:
        if (resources.luts <= _FILL * device.luts and resources.ffs <= _FILL * device.ffs
                and resources.dsps <= device.dsps):
            return device
    largest = target.devices[-1]
    raise TargetError(f"{resources.luts} LUTs, {resources.ffs} flip-flops and {resources.dsps} multiplier blocks do "
                      f"not fit {largest.name}, the largest device of target {target.name!r}, where {largest.luts} "
                      f"and {largest.ffs}, both up to {_FILL:.0%}, and {largest.dsps} can be used; take fewer lanes or "
                      "columns, or leave out place and route")


def _without_ports(netlist: Path) -> str:
    """The netlist with its ports taken away, the clock's included: what they drove is driven by nothing.

    So thousands of port bits need no pins, on all fabrics alike, and no logic is added for them. Nothing is lost of
    what is measured: the tools neither remove what reaches no port, nor route or time what nothing drives, and
    they take clocks as reaching all registers at the same time anyway.
    """
    design = json.loads(netlist.read_text(encoding="utf-8"))
    for module in design["modules"].values():
        module["ports"] = {}
    return json.dumps(design)


def _step(segment: Mapping[str, Any]) -> str:
    """A line on a part of a path."""
    end = segment["to"]
    place = f"{end['cell']}.{end['port']}"
    if segment["type"] == "routing":
        place = f"{segment['net']} to {place}"
    return f"{segment['delay']:.2f} ns {segment['type']} {place}"


def _slowest(report: Mapping[str, Any]) -> tuple[str, float] | None:
    """The clock of the lowest rate, and that rate in MHz; None without a path between registers."""
    rates = {clock: entry["achieved"] for clock, entry in report["fmax"].items()}
    return min(rates.items(), key=lambda item: item[1], default=None)


def _critical_path(report: Mapping[str, Any], clock: str) -> list[str]:
    """The slowest path between registers of a clock."""
    paths = [path["path"] for path in report["critical_paths"]
             if path["from"].endswith(f" {clock}") and path["to"].endswith(f" {clock}")]
    return [_step(segment) for segment in max(paths, key=lambda path: sum(part["delay"] for part in path), default=[])]


def _used(target: Target, report: Mapping[str, Any], log: str) -> tuple[int, int]:
    """LUTs and flip-flops in use."""
    utilization = {name: entry["used"] for name, entry in report["utilization"].items()}
    if target.name == "ice40":
        packed = {kind: int(amount) for amount, kind in _ICE40_PACKED.findall(log)}
        single = packed["DFF only"]
        return utilization["ICESTORM_LC"] - single, single + packed["LUT4 and DFF"]
    if target.name == "gowin":
        return int(_GOWIN_LUTS.findall(log)[0]), utilization["DFF"]
    return utilization["TRELLIS_COMB"], utilization["TRELLIS_FF"]


def place_and_route(synthesis: Synthesis, *, seed: int = 1, cache: Path | None = None,
                    progress: Progress | None = None) -> Routed:
    """Places and routes a synthesized design without its ports, or finds the result of an earlier time.

    There is no clock rate to aim at: the tools make every path as short as they can, and give the same result
    whatever they are asked for.

    Parameters
    ----------
    synthesis : Synthesis
        For a target that has a place-and-route tool.
    seed : int
        Of the placer: results differ by several per cent, so a figure is the median of some.
    cache : Path, optional
        Where results are kept; `cache_folder` by default.
    progress : callable, optional
        Told, in one line each, what takes long.

    Returns
    -------
    Routed
        Clock rate, use of the device and slowest path; the same again for the same seed.

    Raises
    ------
    TargetError
        As `_device`.
    ToolError
        If the tool is missing or fails, or if the design has no path between registers.
    """
    device, target = _device(synthesis), find_target(synthesis.target)
    tool = str(target.nextpnr)
    netlist = _without_ports(synthesis.json)
    arguments = [*device.arguments, "--json", _NETLIST, "--seed", str(seed), "--timing-allow-fail",
                 "--report", _REPORT]

    def make(folder: Path) -> None:
        (folder / _NETLIST).write_text(netlist, encoding="utf-8")
        run_tool(tool, arguments, folder, [_REPORT], log=_LOG, progress=progress)
        (folder / _NETLIST).unlink()    # large, and a copy of what the synthesis keeps

    key = ["place", tool, tool_version(tool), *arguments, hashlib.sha256(netlist.encode()).hexdigest()]
    folder = kept(cache or cache_folder(), key, make)
    report = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    log = folder / _LOG
    slowest = _slowest(report)
    if slowest is None:
        raise ToolError(f"{tool} found no path between two registers in {synthesis.verilog}, so there is no clock "
                        f"rate; put registers before and after the logic; see {log}")
    luts, ffs = _used(target, report, log.read_text(encoding="utf-8"))
    return Routed(target.name, device.name, seed, slowest[1], luts, ffs, _critical_path(report, slowest[0]), log)
