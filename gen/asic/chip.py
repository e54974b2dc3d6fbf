"""Measures a whole chip: cells, area, and the clock that its slowest path allows."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.library import Library
from nomul.gen.asic.netlist import Block, Netlist, read_netlist
from nomul.gen.asic.timing import Timing, time
from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.tools import Progress, run_tool, tool_version

__all__ = ["ChipResult", "gate_area", "measure_chip"]

_BIT = re.compile(r"\[\d+\]|\$\d+")


@dataclass(frozen=True)
class ChipResult:
    """What a chip takes, and how fast it is.

    Attributes
    ----------
    library : str
        Name of the cell library.
    area_um2 : float
        Sum of the cells' areas, µm²: no wires, no clock tree, no room between cells.
    gate_equivalents : float
        The same in areas of the library's smallest NAND of two inputs.
    cells, flip_flops : int
        How many there are; flip-flops are cells, too.
    flip_flop_area_um2 : float
        Their part of the area.
    blocks : int
        How many blocks there are that are no cells, such as memories.
    block_area_um2 : float
        The sum of their areas, µm², which is no part of the other areas.
    delay_ns : float
        Shortest clock period; wires count as capacitance only.
    path : list of (str, float)
        The slowest path: where it begins, the design's own names on its way, where it ends; and when, ns.
    folder : Path
        With the netlist, as Verilog and JSON, and the log of Yosys.
    """

    library: str
    area_um2: float
    gate_equivalents: float
    cells: int
    flip_flops: int
    flip_flop_area_um2: float
    blocks: int
    block_area_um2: float
    delay_ns: float
    path: list[tuple[str, float]]
    folder: Path

    def to_dict(self) -> dict:
        """JSON-able values."""
        values = asdict(self)
        del values["folder"]
        return {**values, "path": [{"at": name, "ns": round(at, 3)} for name, at in self.path]}


def gate_area(library: Library) -> float:
    """Area of the smallest NAND of two inputs, µm²: one gate equivalent.

    Raises
    ------
    AsicError
        If the library has none whose name says so.
    """
    areas = [cell.area for name, cell in library.cells.items() if "nand2" in name.lower()]
    if not areas:
        raise AsicError(f"the library {library.name} has no cell called nand2 to count gates by")
    return min(areas)


def measure_chip(files: Mapping[str, str], top: str, library: Library, *, blocks: Mapping[str, Block] | None = None,
                 progress: Progress | None = None) -> ChipResult:
    """Synthesizes a chip's design with the script among its files, and times the netlist.

    Parameters
    ----------
    files : mapping of str to str
        Names and texts: the design, and the script ``TOP.ys``, which reads ``cells.lib`` and writes ``TOP.json``
        and ``TOP.netlist.v``.
    top : str
        Name of the top module.
    library : Library
        The cells.
    blocks : mapping of str to Block, optional
        Modules that the design uses and has as black boxes.
    progress : callable, optional
        Told, in one line, what takes long.

    Raises
    ------
    AsicError
        If the netlist holds what the library has no cells for.
    ToolError
        If yosys is missing or fails; names its log.
    """
    cells = library.text()

    def make(folder: Path) -> None:
        for name, text in {**files, "cells.lib": cells}.items():
            (folder / name).write_text(text, encoding="utf-8")
        if progress:
            progress("yosys: synthesis, which takes minutes")
        run_tool("yosys", ["-q", "-s", f"{top}.ys"], folder, [f"{top}.json", f"{top}.netlist.v"], log="yosys.log",
                 progress=progress)

    key = ["chip", cells, *map(str, sorted(files.items())), tool_version("yosys")]
    folder = kept(cache_folder(), key, make)
    netlist = read_netlist((folder / f"{top}.json").read_text(encoding="utf-8"), top, library, blocks)
    timing = time(netlist, library)
    flops, areas = (sum(each) for each in ([register.cell.area for register in netlist.registers],
                                           [block.area for block in netlist.blocks.values()]))
    return ChipResult(library.name, netlist.area, netlist.area / gate_area(library), len(netlist.instances),
                      len(netlist.registers), flops, len(netlist.blocks), areas, timing.delay, _path(netlist, timing),
                      folder)


def _path(netlist: Netlist, timing: Timing) -> list[tuple[str, float]]:
    """The nets on the longest path that have names of the design, and the register or output behind the last one."""
    steps = [(_plain(netlist.names[net]), at) for net, at in timing.path if net in netlist.names]
    if timing.path:
        steps.append((_end(netlist, timing.path[-1][0]), timing.delay))
    return steps


def _end(netlist: Netlist, net: int) -> str:
    ports = [name for name, nets in netlist.outputs.items() if net in nets]
    registers = [netlist.names[each] for register in netlist.registers
                 if net in {reached for _, reached in register.inputs()}
                 for _, each in register.outputs() if each in netlist.names]
    return _plain((ports + registers + ["a block" if net in netlist.early else "a register"])[0])


def _plain(name: str) -> str:
    """A register's name without its bit and without the numbers that make names unique."""
    return _BIT.sub("", name)
