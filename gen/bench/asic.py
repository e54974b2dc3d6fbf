"""Measures arrays on a standard-cell library: area, delay, and energy with the data of a trained layer."""

from collections.abc import Callable, Sequence
from typing import Any

from nomul.gen.asic.library import Library, find_library
from nomul.gen.asic.measure import AsicResult, measure
from nomul.gen.bench.harness import Harness
from nomul.gen.bench.pes import BASELINE, Size, build_array
from nomul.gen.bench.row import Row, compared
from nomul.gen.synth.tools import tool_versions
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FabricPlatform

__all__ = ["asic_steps", "bench_asic"]

_TOP = "bench_array"


def asic_steps(names: Sequence[str]) -> int:
    """How many times `bench_asic` calls `step`."""
    return 2 * len(names)


def bench_asic(names: Sequence[str], size: Size, library: str, step: Callable[[], None]) -> list[Row]:
    """Measures arrays, in pairs that differ in their number of columns, as `nomul.gen.bench.fpga` does.

    Parameters
    ----------
    names : sequence of str
        Keys of `PES`, the baseline among them.
    size : Size
        Of all arrays.
    library : str
        File name of the cell library; see `find_library`.
    step : callable
        Called after each measurement.

    Raises
    ------
    NomulError
        For a size that can't be built, a library that isn't there, or a tool that is missing or fails.
    """
    cells = find_library(library)
    return compared([_measure(name, size, cells, step) for name in names], BASELINE)


def _measure(name: str, size: Size, library: Library, step: Callable[[], None]) -> Row:
    counterpart = size.counterpart
    array = build_array(name, "asic", size)
    weight_bits = array.weight_bits
    whole = _result(name, array, size, library, step)
    other = _result(name, build_array(name, "asic", counterpart), counterpart, library, step)
    operations = size.lanes * size.columns
    difference = size.lanes * (size.columns - counterpart.columns)
    area = (whole.area_um2 - other.area_um2) / difference
    energy = (whole.energy_fj_per_cycle - other.energy_fj_per_cycle) / difference
    return Row(target="asic", pe=name, lanes=size.lanes, columns=size.columns, activation_bits=size.activation_bits,
               weight_bits=weight_bits, tool_versions=tool_versions(),
               library=library.name, area_um2_per_op=area, shared_area_um2_per_op=whole.area_um2 / operations - area,
               delay_ns=whole.delay_ns, energy_fj_per_op=energy,
               shared_energy_fj_per_op=whole.energy_fj_per_cycle / operations - energy)


def _result(name: str, array: Any, size: Size, library: Library, step: Callable[[], None]) -> AsicResult:
    from nomul.gen.bench.workload import stimulus  # trains networks: PyTorch only for those who need it

    verilog = emit_verilog(Harness(array, registers=False), _TOP, FabricPlatform("asic"))
    result = measure(verilog, _TOP, stimulus(name, array, size), library)
    step()
    return result
