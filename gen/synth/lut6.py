"""How many LUT6 of a Xilinx device a netlist takes: two small LUTs share one, as its two outputs allow.

A LUT6 is two LUT5 with common inputs, whose outputs are O5 and, through a multiplexer, O6 (UG474, "Look-Up Table").
So two LUTs fit into one if they have at most 5 different inputs together. The input S of a carry cell, and those of
MUXF7, come from O6 alone, so of two LUTs that drive such inputs each takes a LUT6 of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Packing", "pack_lut6"]

_SMALL = ("INV", "LUT1", "LUT2", "LUT3", "LUT4", "LUT5")
_WHOLE = ("LUT6", "LUT6_2")
_O6 = {"CARRY4": ("S",), "MUXF7": ("I0", "I1")}
_SHARED_INPUTS = 5


@dataclass(frozen=True)
class Packing:
    """What packing gives.

    Parameters
    ----------
    luts : int
        LUT6 with at least one LUT of the netlist in them.
    pairs : int
        Those with two.
    passes : int
        Inputs S of carry cells that no LUT drives and that are not constant: there the device spends an O6 output on
        passing the signal on. Not part of `luts`, as in the vendor's count of LUTs used as logic.
    """

    luts: int
    pairs: int
    passes: int


@dataclass(frozen=True)
class _Lut:
    """A LUT of up to 5 inputs, and whether it needs the output O6."""

    inputs: frozenset[int]
    needs_o6: bool


def _nets(cell: Mapping[str, Any], ports: Iterable[str]) -> list[int]:
    """Nets at some ports; constants are strings in the netlists of Yosys."""
    return [bit for port in ports for bit in cell["connections"].get(port, []) if isinstance(bit, int)]


def _pairs(luts: list[_Lut]) -> int:
    """A large set of disjoint pairs that fit, greedily.

    LUTs that need O6 never pair with each other. So the others look for partners, the largest first, and prefer
    one that needs O6 and then one with many inputs: what remains is easy to place.
    """
    groups: dict[tuple[bool, int], dict[int, None]] = {}
    users: dict[int, dict[int, None]] = {}
    for index, lut in enumerate(luts):
        groups.setdefault((lut.needs_o6, len(lut.inputs)), {})[index] = None
        for net in lut.inputs:
            users.setdefault(net, {})[index] = None

    def take(index: int) -> None:
        lut = luts[index]
        del groups[lut.needs_o6, len(lut.inputs)][index]
        for net in lut.inputs:
            del users[net][index]

    def partner(lut: _Lut) -> int | None:
        room = _SHARED_INPUTS - len(lut.inputs)
        common = Counter(other for net in lut.inputs for other in users[net])
        fitting = [other for other, count in common.items() if len(luts[other].inputs) - count <= room]
        fitting += [next(iter(group)) for (_, size), group in groups.items() if size <= room and group]
        return max(fitting, key=lambda other: (luts[other].needs_o6, len(luts[other].inputs), -other), default=None)

    pairs = 0
    remaining = sorted((index for index, lut in enumerate(luts) if not lut.needs_o6),
                       key=lambda index: -len(luts[index].inputs))
    taken: set[int] = set()
    for index in remaining:
        if index in taken:
            continue
        take(index)
        other = partner(luts[index])
        if other is not None:
            take(other)
            taken.add(other)
            pairs += 1
    return pairs


def pack_lut6(cells: Mapping[str, Mapping[str, Any]]) -> Packing:
    """Packs the LUTs of a flat netlist.

    Parameters
    ----------
    cells : mapping
        ``cells`` of the module in a JSON netlist of Yosys, mapped to the primitives of 7-series devices.

    Returns
    -------
    Packing
        The LUT6 taken; the pairs are the same for the same netlist.
    """
    for_o6 = {net for cell in cells.values() for net in _nets(cell, _O6.get(cell["type"], ()))}
    small, whole, driven = [], 0, set()
    for cell in cells.values():
        if cell["type"] in _SMALL or cell["type"] in _WHOLE:
            outputs = _nets(cell, ("O", "O6"))
            driven.update(outputs)
            if cell["type"] in _WHOLE:
                whole += 1
            else:
                inputs = _nets(cell, ("I", "I0", "I1", "I2", "I3", "I4"))
                small.append(_Lut(frozenset(inputs), not for_o6.isdisjoint(outputs)))
    pairs = _pairs(small)
    carries = (cell for cell in cells.values() if cell["type"] == "CARRY4")
    passes = sum(net not in driven for cell in carries for net in _nets(cell, ("S",)))
    return Packing(whole + len(small) - pairs, pairs, passes)
