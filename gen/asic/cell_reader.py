"""Gives the groups of a Liberty file their meaning."""

import re
from collections.abc import Sequence
from math import prod

from nomul.gen.asic.cells import Arc, Cell, Pin, Power, Register, Table
from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.liberty import Group, numbers

__all__ = ["read_cells"]

_LOADS = ("total_output_net_capacitance", "related_pin_transition")
_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


def read_cells(library: Group, name: str) -> dict[str, Cell]:
    """The cells of a library by name, in nomul's units; `name` is the file's, for messages.

    Raises
    ------
    AsicError
        If a unit or a table is not what Liberty says.
    """
    return _Reader(library, name).cells()


class _Reader:
    """Gives the groups of one library their meaning, in nomul's units."""

    def __init__(self, library: Group, name: str):
        self.library, self.name = library, name
        self.templates = {group.arguments[0]: group for kind in ("lu_table_template", "power_lut_template")
                          for group in library.all(kind)}
        amount, unit = library.attributes.get("capacitive_load_unit", ("1", "pf"))
        self.capacitance = float(amount) * _PREFIX[unit.lower()[:-1]] * 1e15
        self.time = self._unit("time_unit", "1ns") * 1e9
        # Liberty states no unit of energy: it is that of capacitance times voltage squared.
        self.energy = self.capacitance * self._unit("voltage_unit", "1V") ** 2
        self.leakage = self._unit("leakage_power_unit", "1nW") * 1e9

    def _unit(self, name: str, default: str) -> float:
        match = re.fullmatch(r"([0-9.]+)\s*([munpf]?)[a-zA-Z]+", self.library.text(name, default))
        if match is None:
            raise AsicError(f"{self.name}: {name} is '{self.library.text(name)}', not a number and a unit, as in "
                            f"{default}")
        return float(match[1]) * _PREFIX[match[2]]

    def cells(self) -> dict[str, Cell]:
        cells = {}
        for group in self.library.all("cell"):
            pins = [self._pin(pin, group) for pin in group.all("pin")]
            cells[group.arguments[0]] = Cell(group.arguments[0], group.number("area"),
                                             group.number("cell_leakage_power") * self.leakage,
                                             {pin.name: pin for pin in pins}, self._register(group))
        return cells

    def _register(self, cell: Group) -> Register | None:
        for group in cell.all("ff"):
            return Register(*group.arguments[:2], *(group.text(name) for name in
                                                    ("clocked_on", "next_state", "clear", "preset")))
        return None

    def _pin(self, pin: Group, cell: Group) -> Pin:
        default = "default_output_pin_cap" if pin.text("direction") == "output" else "default_input_pin_cap"
        capacitance = pin.number("capacitance", self.library.number(default)) * self.capacitance
        return Pin(pin.arguments[0], pin.text("direction") == "output", pin.text("function"), capacitance,
                   tuple(arc for group in pin.all("timing") for arc in self._arcs(group)),
                   tuple(power for group in pin.all("internal_power") for power in self._powers(group)))

    def _arcs(self, group: Group) -> Sequence[Arc]:
        kind = group.text("timing_type", "combinational")
        sense = group.text("timing_sense", "non_unate")
        delay = self._edges(group, ("cell_rise", "rise_constraint"), ("cell_fall", "fall_constraint"), self.time)
        slew = self._edges(group, ("rise_transition",), ("fall_transition",), self.time)
        edges = tuple((source, target) for source in (True, False) for target in delay
                      if sense not in ("positive_unate", "negative_unate")
                      or (source == target) == (sense == "positive_unate"))
        return [Arc(source, kind, edges, delay, slew) for source in group.text("related_pin").split()]

    def _powers(self, group: Group) -> Sequence[Power]:
        tables = self._edges(group, ("rise_power", "power"), ("fall_power", "power"), self.energy)
        return [Power(source, group.text("when"), tuple(tables.values()))
                for source in group.text("related_pin").split() or [""] if tables]

    def _edges(self, group: Group, rise: tuple[str, ...], fall: tuple[str, ...], unit: float) -> dict[bool, Table]:
        return {rises: self._table(table, unit) for rises, kinds in ((True, rise), (False, fall))
                for kind in kinds for table in group.all(kind)}

    def _table(self, group: Group, unit: float) -> Table:
        """A table with its axes in one order, wherever the library says what they are."""
        template = self.templates.get(group.arguments[0]) if group.arguments else None
        axes: dict[bool, tuple[float, ...]] = {False: (0.0,), True: (0.0,)}     # by whether it is the load's
        order = []
        for index in ("index_1", "index_2"):
            variable = template.text(f"variable_{index[-1]}") if template else ""
            if template and variable:
                load = variable in _LOADS
                scale = self.capacitance if variable == _LOADS[0] else self.time
                points = numbers(group.attributes.get(index, template.attributes.get(index, ())))
                axes[load] = tuple(point * scale for point in points)
                order.append(load)
        flat = [value * unit for value in numbers(group.attributes.get("values", ()))]
        if len(flat) != prod(len(axis) for axis in axes.values()):
            raise AsicError(f"{self.name}: a table '{group.kind}' holds {len(flat)} values, but its axes are "
                            f"{len(axes[False])} × {len(axes[True])} points")
        rows, columns = len(axes[False]), len(axes[True])
        values = (tuple(tuple(flat[j * rows + i] for j in range(columns)) for i in range(rows)) if order[:1] == [True]
                  else tuple(tuple(flat[i * columns:(i + 1) * columns]) for i in range(rows)))
        return Table(axes[False], axes[True], values)
