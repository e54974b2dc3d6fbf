"""A standard-cell library: what each cell computes, how large, how fast and how hungry it is."""

import gzip
import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.liberty import Group, numbers, parse

__all__ = ["LIBRARIES", "Arc", "Cell", "Library", "Pin", "Power", "Register", "Table", "find_library", "read_library"]

#: Where each library that nomul knows comes from, by the name of its file.
LIBRARIES = {
    "ihp_sg13g2_typ.lib": "ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/sg13g2_stdcell_typ_1p20V_25C.lib "
                          "from github.com/IHP-GmbH/IHP-Open-PDK",
    "osu018_stdcells.lib": "osu018_stdcells.lib from Debian's package qflow-tech-osu018",
}

_LOADS = ("total_output_net_capacitance", "related_pin_transition")
_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}


@dataclass(frozen=True)
class Table:
    """A value as a function of a slew and a load: `rows` × `columns` points, between and beyond them linear.

    Attributes
    ----------
    slews : tuple of float
        Transition time at the input, ns; one entry if the value doesn't depend on it.
    loads : tuple of float
        Capacitance at the output, fF, or in a constraint the transition time of the clock, ns; likewise.
    values : tuple of tuple of float
        One row a slew, one column a load; ns or fJ.
    """

    slews: tuple[float, ...]
    loads: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]

    def __call__(self, slew: float, load: float) -> float:
        """The value at one point."""
        i, x = _place(self.slews, slew)
        j, y = _place(self.loads, load)
        low = self.values[i][j] + (y * (self.values[i][j + 1] - self.values[i][j]) if y else 0.0)
        if not x:
            return low
        high = self.values[i + 1][j] + (y * (self.values[i + 1][j + 1] - self.values[i + 1][j]) if y else 0.0)
        return low + x * (high - low)


@dataclass(frozen=True)
class Arc:
    """What an input's edge does to an output, or what a register asks of its data.

    Attributes
    ----------
    source : str
        The pin whose edge it starts from; of a constraint, the clock.
    kind : str
        Liberty's `timing_type`: combinational, rising_edge, setup_rising, ...
    edges : tuple of (bool, bool)
        Which input edges cause which output edges: pairs (input rises, output rises).
    delay, slew : dict of bool to Table
        By whether the output rises: time from edge to edge and transition time, ns. Of a constraint, `delay` is the
        constraint.
    """

    source: str
    kind: str
    edges: tuple[tuple[bool, bool], ...]
    delay: dict[bool, Table]
    slew: dict[bool, Table]


@dataclass(frozen=True)
class Power:
    """Energy that a cell takes for itself when a pin switches; charging what hangs on the pin is not in it.

    Attributes
    ----------
    source : str
        At an output: the input that made it switch.  At an input: empty.
    when : str
        The state of the cell in which it holds, as a function of pins; empty: always.
    tables : tuple of Table
        For the rise and the fall, where given; fJ.
    """

    source: str
    when: str
    tables: tuple[Table, ...]

    def energy(self, slew: float, load: float) -> float:
        """The mean of rise and fall, fJ: a net rises as often as it falls."""
        return sum(table(slew, load) for table in self.tables) / len(self.tables)


@dataclass(frozen=True)
class Pin:
    """A pin: what it drives (`function`, empty for an input) or how much it loads (`capacitance`, fF)."""

    name: str
    output: bool
    function: str
    capacitance: float
    arcs: tuple[Arc, ...]
    powers: tuple[Power, ...]


@dataclass(frozen=True)
class Register:
    """What makes a cell a flip-flop: names of its state and of the state's complement, and functions of its pins."""

    state: str
    complement: str
    clock: str
    next_state: str
    clear: str
    preset: str


@dataclass(frozen=True)
class Cell:
    """A cell: its area in µm², leakage in nW, pins by name, and for a flip-flop what it keeps."""

    name: str
    area: float
    leakage: float
    pins: dict[str, Pin]
    register: Register | None

    @property
    def outputs(self) -> list[Pin]:
        """The pins that it drives."""
        return [pin for pin in self.pins.values() if pin.output]


@dataclass(frozen=True)
class Library:
    """A cell library as read from a file: supply voltage in V, and its cells by name."""

    name: str
    path: Path
    voltage: float
    cells: dict[str, Cell]

    def text(self) -> str:
        """The Liberty file, unpacked."""
        return _text(self.path)


def find_library(file: str = "ihp_sg13g2_typ.lib") -> Library:
    """A library from the folder that the environment variable `NOMUL_DATA` names, plain or packed (`.gz`).

    Parameters
    ----------
    file : str
        Name of its Liberty file there; `LIBRARIES` lists those that are known to be free.

    Raises
    ------
    AsicError
        If it isn't there; says what to download, and where to put it.
    """
    folder = os.environ.get("NOMUL_DATA")
    if not folder:
        raise AsicError(f"no cell library: the environment variable NOMUL_DATA, which names the folder of data, is not "
                        f"set; save {LIBRARIES.get(file, file)} as {file} into a folder and set NOMUL_DATA to it")
    for path in (Path(folder, file), Path(folder, f"{file}.gz")):
        if path.exists():
            return read_library(path)
    raise AsicError(f"no cell library: {folder}, which NOMUL_DATA names, holds neither {file} nor {file}.gz; "
                    f"save {LIBRARIES.get(file, file)} there under that name")


@cache
def read_library(path: Path) -> Library:
    """A library from its Liberty file (`.lib`, or packed as `.lib.gz`); read once a process.

    Raises
    ------
    AsicError
        If the file isn't Liberty.
    OSError
        If it can't be read.
    """
    group = parse(_text(path), path.name)
    return Library(group.arguments[0], path, group.number("nom_voltage"), _Reader(group, path.name).cells())


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("latin-1")


def _place(axis: tuple[float, ...], value: float) -> tuple[int, float]:
    """The interval of an axis that a value lies in or next to, and how far into it, in intervals."""
    if len(axis) == 1:
        return 0, 0.0
    i = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])


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
