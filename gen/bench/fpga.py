"""Measures arrays on FPGAs: what an operation costs, how fast it is, and how that compares with a multiplication.

An array is synthesized with two numbers of columns: what grows with them is what operations cost, and what does not
grow, all columns share.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from nomul.gen.bench.harness import Harness
from nomul.gen.bench.pes import BASELINE, PES, Size, build_array
from nomul.gen.bench.row import Row, compared
from nomul.gen.synth.place import Routed, place_and_route
from nomul.gen.synth.synthesize import Resources, Synthesis, synthesize
from nomul.gen.synth.targets import TARGETS, TargetError
from nomul.gen.synth.tools import tool_versions
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FabricPlatform

__all__ = ["bench_fpga", "fpga_steps"]

_TOP = "bench_array"


def _seeds(target: str, seeds: int) -> int:
    return seeds if TARGETS[target].nextpnr else 0


def fpga_steps(target: str, names: Sequence[str], seeds: int) -> int:
    """How many times `bench_fpga` calls `step`."""
    return len(names) * (2 + _seeds(target, seeds))


def bench_fpga(target: str, names: Sequence[str], size: Size, seeds: int, step: Callable[[], None]) -> list[Row]:
    """Measures arrays on one target.

    Parameters
    ----------
    target : str
        A key of `nomul.gen.synth.targets.TARGETS`.
    names : sequence of str
        Keys of `PES`, the baseline among them.
    size : Size
        Of all arrays.
    seeds : int
        How many times to place and route, where there is a tool for it; 0 for not at all.
    step : callable
        Called after each run of a tool.

    Raises
    ------
    NomulError
        For a size that can't be built, or a tool that is missing or fails.
    """
    return compared([_measure(target, name, size, _seeds(target, seeds), step) for name in names], BASELINE)


def _measure(target: str, name: str, size: Size, seeds: int, step: Callable[[], None]) -> Row:
    counterpart = size.counterpart
    array = build_array(name, target, size)
    weight_bits = array.weight_bits
    whole = _synthesize(target, name, array, step)
    other = _synthesize(target, name, build_array(name, target, counterpart), step)
    operations = size.lanes * size.columns

    def each(count: Callable[[Resources], int]) -> float:
        fewer, more = sorted((counterpart.columns, size.columns))
        first, second = (whole, other) if size.columns == fewer else (other, whole)
        return (count(second.resources) - count(first.resources)) / (size.lanes * (more - fewer))

    luts = each(lambda resources: resources.luts)
    shared = whole.resources.luts / operations - luts
    routed, not_routed = _route(whole, seeds, step)
    rates = [result.fmax_mhz for result in routed]
    return Row(target=target, pe=name, lanes=size.lanes, columns=size.columns, activation_bits=size.activation_bits,
               weight_bits=weight_bits, tool_versions=tool_versions(), luts_per_op=luts, shared_luts_per_op=shared,
               routed_luts_per_op=routed[0].luts / operations - shared if routed else None,
               ffs_per_op=each(lambda resources: resources.ffs) - weight_bits,
               carries_per_op=each(lambda resources: resources.carries), dsp=each(lambda resources: resources.dsps),
               fmax_mhz=median(rates) if rates else None, fmax_seeds=rates,
               device=routed[0].device if routed else None, not_routed=not_routed)


def _route(synthesis: Synthesis, seeds: int, step: Callable[[], None]) -> tuple[list[Routed], str | None]:
    """The results of all seeds, or why there are none: DSP blocks are few, and no reason to lose the other arrays."""
    routed: list[Routed] = []
    reason = None
    for seed in range(1, seeds + 1):
        if reason is None:
            try:
                routed.append(place_and_route(synthesis, seed=seed))
            except TargetError as error:
                reason = str(error)
        step()
    return routed, reason


def _synthesize(target: str, name: str, array: Any, step: Callable[[], None]) -> Synthesis:
    verilog = emit_verilog(Harness(array, registers=True), _TOP, FabricPlatform(target))
    result = synthesize(verilog, _TOP, target, dsp=PES[name].dsp)
    step()
    return result
