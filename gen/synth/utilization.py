"""What a design takes of a chip: counted in its netlist, in nextpnr's report, or in the log of a failed placement."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nomul.gen.synth.family import KINDS, Family

__all__ = ["count_netlist", "overfull", "reported", "too_much"]

#: A line of nextpnr's log: what is used of a resource, and what there is.
_USED = re.compile(r"^Info:\s+(\w+): +(\d+)/ *(\d+) +\d+%", re.MULTILINE)


def count_netlist(netlist: Path, top: str, family: Family) -> dict[str, int]:
    """What the cells of a flat netlist take, by `KINDS`."""
    cells = json.loads(netlist.read_text(encoding="utf-8"))["modules"][top]["cells"]
    return family.count(cell["type"] for cell in cells.values())


def too_much(used: Mapping[str, int], available: Mapping[str, int]) -> str | None:
    """Says, of the first kind that is too much, by how much; None if everything fits."""
    for kind, amount in used.items():
        if amount > available.get(kind, amount):
            return f"{amount} {KINDS[kind]} of {available[kind]}, {amount - available[kind]} too many"
    return None


def reported(report: Mapping[str, Any], family: Family, counted: Mapping[str, int],
             available: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Of each kind that the chip has: how many are used and how many there are, as ``{"used", "available"}``.

    Parameters
    ----------
    report : mapping
        nextpnr's.
    family : Family
        Its names.
    counted, available : mapping of str to int
        Of `count_netlist`, for what nextpnr does not report; and what the chip has, as far as it is known.
    """
    result = {}
    for kind in KINDS:
        names = family.reported.get(kind, ())
        entries = [report["utilization"][name] for name in names if name in report["utilization"]]
        there = available.get(kind, sum(entry["available"] for entry in entries))
        if there:
            result[kind] = {"used": sum(entry["used"] for entry in entries) if names else counted[kind],
                            "available": there}
    return result


def overfull(log: str, family: Family) -> str | None:
    """Says what was too much for nextpnr, given its log; None if that was not why it failed."""
    kinds = {name: kind for kind, names in family.reported.items() for name in names}
    for name, used, available in _USED.findall(log):
        if int(used) > int(available):
            kind = KINDS.get(kinds.get(name, ""), name)
            return f"{used} {kind} of {available}, {int(used) - int(available)} too many"
    return None
