"""Maps a design to the cells of a library with yosys and ABC, in several ways; the smallest result counts."""

from pathlib import Path

from nomul.gen.asic.library import Library
from nomul.gen.asic.netlist import Netlist, read_netlist
from nomul.gen.asic.ripple import RIPPLE
from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.tools import run_tool, tool_version

__all__ = ["map_to_cells"]

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
_RESULT = "mapped.json"
_ABC = "strash; ifraig; scorr; {}; topo; upsize; dnsize"


def map_to_cells(verilog: str, top: str, library: Library) -> Netlist:
    """The smallest netlist that a few ways of mapping give: each of `_FORMS` through each of `_SCRIPTS`.

    All of them aim at area, not at speed. The result is kept, and found again for the same design and library.

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
    ToolError
        If yosys isn't installed or fails; says what it printed.
    """
    cells = library.text()

    def smallest(folder: Path) -> None:
        (folder / "design.v").write_text(verilog, encoding="utf-8")
        (folder / "ripple.v").write_text(RIPPLE, encoding="utf-8")
        (folder / "cells.lib").write_text(cells, encoding="utf-8")
        results = [result for form in _FORMS for result in _map(folder, top, form, library)]
        text = min(results, key=lambda result: result[0])[1]
        for file in folder.iterdir():
            file.unlink()
        (folder / _RESULT).write_text(text, encoding="utf-8")

    key = ("asic", verilog, top, cells, RIPPLE, *_FORMS, *_SCRIPTS, _ABC, tool_version("yosys"))
    kept_text = (kept(cache_folder(), key, smallest) / _RESULT).read_text(encoding="utf-8")
    return read_netlist(kept_text, top, library)


def _map(folder: Path, top: str, form: str, library: Library) -> list[tuple[float, str]]:
    """Area and netlist by each script."""
    commands = [f"read_verilog -sv design.v; synth -flatten -noabc -top {top} {form}",
                "dfflibmap -liberty cells.lib; opt; design -save gates"]
    files = [f"mapped{index}.json" for index in range(len(_SCRIPTS))]
    for file, script in zip(files, _SCRIPTS, strict=True):
        abc = _ABC.format(script).replace("; ", ";").replace(" ", ",")      # yosys splits its arguments at spaces
        commands.append(f"design -load gates; abc -liberty cells.lib -script +{abc}; opt_clean -purge; "
                        f"write_json {file}")
    run_tool("yosys", ["-p", "; ".join(commands)], folder, files, log="yosys.log")
    texts = [(folder / file).read_text(encoding="utf-8") for file in files]
    return [(read_netlist(text, top, library).area, text) for text in texts]
