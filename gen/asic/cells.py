"""What a standard cell computes, how large, how fast and how hungry it is."""

from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["Arc", "Cell", "Pin", "Power", "Register", "Table"]


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


def _place(axis: tuple[float, ...], value: float) -> tuple[int, float]:
    """The interval of an axis that a value lies in or next to, and how far into it, in intervals."""
    if len(axis) == 1:
        return 0, 0.0
    i = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])
