"""Rules that every generated netlist must keep."""

import re

from amaranth.back import rtlil
from amaranth.lib import wiring

__all__ = ["multiply_cells"]

_CELL = re.compile(r"^\s*cell (\$(?:mul|div|mod|divfloor|modfloor|pow|macc|macc_v2)) ")
_MODULE = re.compile(r"^\s*module \\(\S+)")


def multiply_cells(component: wiring.Component) -> list[str]:
    """The multipliers and dividers of a circuit, each as "cell type in module"; empty for one that nomul generates.

    Multiplications by constants and indices with a stride that is no power of two count too: Amaranth makes them
    multiplier cells, and what becomes of those is the synthesis tool's choice.

    Parameters
    ----------
    component : wiring.Component
        The circuit; all that it contains is searched.
    """
    found, module = [], ""
    for line in rtlil.convert(component).splitlines():
        if match := _MODULE.match(line):
            module = match[1]
        elif match := _CELL.match(line):
            found.append(f"{match[1]} in {module}")
    return found
