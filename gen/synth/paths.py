"""The slowest path of nextpnr's report, in the words of our modules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["SlowPath", "slowest_path"]

#: A name of the netlist down to the module that it is in; what tools add to names begins with a capital or a dollar.
_MODULE = re.compile(r"^(?:[a-z_]\w*\.)*")
#: What stands before all names of an accelerator's own modules.
_WRAPPER = re.compile(r"^top(\.accelerator)?(\.|$)")


@dataclass(frozen=True)
class SlowPath:
    """The slowest path between two registers.

    Attributes
    ----------
    fmax_mhz : float
        The clock rate that it allows.
    steps : list of str
        For each step its delay, what it is, and the cell or net that it goes through.
    modules : list of (str, float)
        The modules that it goes through, in order, and how many nanoseconds it spends in each.
    """

    fmax_mhz: float
    steps: list[str]
    modules: list[tuple[str, float]]

    @property
    def words(self) -> str:
        """The modules and their delays, in a line."""
        return " → ".join(f"{module} {delay:.1f} ns" for module, delay in self.modules)


def slowest_path(report: Mapping[str, Any]) -> SlowPath | None:
    """The slowest path of the clock that misses its constraint most; None without a path between registers."""
    if not report["fmax"]:
        return None
    clock, entry = min(report["fmax"].items(), key=lambda item: item[1]["achieved"] / item[1]["constraint"])
    paths: list[Sequence[Mapping[str, Any]]] = [
        each["path"] for each in report["critical_paths"]
        if each["from"].endswith(f" {clock}") and each["to"].endswith(f" {clock}")]
    if not paths:
        return None
    path = max(paths, key=lambda path: sum(part["delay"] for part in path))
    modules: list[tuple[str, float]] = []
    for part in path:
        # A wire belongs to where it comes from, whatever the net is called; so does a cell that the tool has added.
        cell = part["from" if part["type"] == "routing" else "to"]["cell"]
        name = modules[-1][0] if modules and cell.startswith("$") else _module(cell)
        if modules and modules[-1][0] == name:
            modules[-1] = (name, modules[-1][1] + part["delay"])
        else:
            modules.append((name, part["delay"]))
    return SlowPath(entry["achieved"], [_step(part) for part in path],
                    [(name, round(delay, 3)) for name, delay in modules])


def _module(name: str) -> str:
    """The module of our hierarchy that a cell or net belongs to, as far as its name tells."""
    found = _MODULE.match(name)
    return _WRAPPER.sub("", found[0].rstrip(".") if found else "") or "the top module"


def _step(part: Mapping[str, Any]) -> str:
    what = part["net"] if part["type"] == "routing" else part["to"]["cell"]
    return f"{part['delay']:.2f} ns {part['type']} {what}"
