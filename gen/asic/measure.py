"""Area, delay and energy of a design on a standard-cell library."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nomul.gen.asic.activity import simulate
from nomul.gen.asic.energy import Energy, energy
from nomul.gen.asic.library import Library
from nomul.gen.asic.mapping import map_to_cells
from nomul.gen.asic.timing import time

__all__ = ["AsicResult", "measure"]


@dataclass(frozen=True)
class AsicResult:
    """What a design costs on a standard-cell library.

    Attributes
    ----------
    library : str
        Name of the library, as its file states it.
    area_um2 : float
        Sum of the cells' areas, µm²; no wires, no clock tree.
    delay_ns : float
        Shortest clock period, ns; wires count as capacitance only.
    energy_fj_per_cycle : float
        Energy of one stream's cycle, fJ, without leakage.
    energy : Energy
        The same by where it goes; and leakage.
    cells : dict of str to int
        How many of each cell.
    toggles_per_cycle : float
        How often nets switch in a cycle, all together, without the clock; glitches included.
    transitions : int
        How many pairs of successive cycles the activity was taken from.
    outputs : dict of str to ndarray
        What the netlist computed: bool (cycles, streams, width) for each output port, to check it against arithmetic.
    """

    library: str
    area_um2: float
    delay_ns: float
    energy_fj_per_cycle: float
    energy: Energy
    cells: dict[str, int]
    toggles_per_cycle: float
    transitions: int
    outputs: dict[str, np.ndarray]


def measure(verilog: str, top: str, stimulus: Mapping[str, np.ndarray], library: Library) -> AsicResult:
    """Maps a design to a library, times it, and simulates it with delays to find its energy.

    Inputs come from flip-flops that are not part of the design, in area and energy neither; what they must charge
    counts. Modules `mapping`, `timing`, `activity` and `energy` say what each number contains.

    Parameters
    ----------
    verilog : str
        The design: one clock, any module hierarchy.
    top : str
        Name of its outermost module.
    stimulus : dict of str to ndarray
        Value of every input but the clock in each cycle of each stream, as `nomul.gen.asic.activity.simulate` takes it:
        integers (cycles, streams), or bits (cycles, streams, width). Flip-flops start with 0, and a stream's first
        cycle is not part of the energy. A multiple of 64 streams fills the machine's words.
    library : Library
        The cells, from `nomul.gen.asic.library.find_library`.

    Raises
    ------
    AsicError
        If the design doesn't fit the library or the stimulus doesn't fit the design.
    NomulError
        If yosys is missing or fails.
    """
    netlist = map_to_cells(verilog, top, library)
    timing = time(netlist, library)
    activity = simulate(netlist, timing, stimulus)
    used = energy(netlist, library, timing, activity)
    cells = Counter(instance.cell.name for instance in netlist.instances)
    return AsicResult(library.name, netlist.area, timing.delay, used.total, used, dict(sorted(cells.items())),
                      sum(activity.toggles.values()), activity.transitions, activity.outputs)
