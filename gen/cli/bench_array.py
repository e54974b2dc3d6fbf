"""`nomul bench array`: what the arrays cost on real fabrics, beside arrays that multiply."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import ArgumentError, check_output, write_json
from nomul.gen.cli.screen import progress, say, show_table

if TYPE_CHECKING:
    from nomul.gen.bench.row import Row

__all__ = ["COMMAND"]

_FPGAS = ("ecp5", "ice40", "gowin", "xilinx")
_TARGETS = (*_FPGAS, "asic")

#: Columns if not told otherwise: as many as fit the device that the target is placed on; chips take their time.
_COLUMNS = {"ecp5": 4, "ice40": 2, "gowin": 2, "xilinx": 4, "asic": 2}


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--target", default="all", metavar="NAME",
                        help=f"{', '.join(_TARGETS)}, or all (default: %(default)s)")
    parser.add_argument("--pe", default="all", metavar="NAMES",
                        help="arrays, with commas between; the baseline multiplier-rows is always measured, too "
                             "(default: %(default)s)")
    parser.add_argument("--lanes", type=int, default=16, metavar="N", help="lanes (default: %(default)s)")
    parser.add_argument("--columns", type=int, metavar="N",
                        help="columns (default: " + ", ".join(f"{_COLUMNS[name]} on {name}" for name in _TARGETS) + ")")
    parser.add_argument("--bits", default="8,8", metavar="A,W",
                        help="bits of an activation, and of an L1 weight or a factor (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=5, metavar="N",
                        help="how many times to place and route (default: %(default)s)")
    parser.add_argument("--no-route", action="store_true", help="leave out place and route: minutes, and no clock rate")
    parser.add_argument("--library", default="ihp_sg13g2_typ.lib", metavar="FILE",
                        help="cell library of the target asic, in the folder NOMUL_DATA (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="where to write the rows")


def _run(arguments: Namespace) -> int:
    targets = _chosen(arguments.target, _TARGETS, "target")
    activation_bits, weight_bits = _bits(arguments.bits)
    if arguments.seeds < 1:
        raise ArgumentError(f"--seeds must be at least 1, not {arguments.seeds}; --no-route leaves out place and route")
    if arguments.json:
        check_output(arguments.json)
    from nomul.gen.asic.library import find_library
    from nomul.gen.bench.asic import asic_steps, bench_asic
    from nomul.gen.bench.fpga import bench_fpga, fpga_steps
    from nomul.gen.bench.pes import PES, Size, configuration, with_baseline

    names = with_baseline(list(PES) if arguments.pe == "all" else arguments.pe.split(","))
    columns = _COLUMNS if arguments.columns is None else dict.fromkeys(targets, arguments.columns)
    sizes = {target: Size(arguments.lanes, columns[target], activation_bits, weight_bits) for target in targets}
    seeds = 0 if arguments.no_route else arguments.seeds
    for target, size in sizes.items():
        for each in (size, size.counterpart):
            configuration(names[0], target, each)       # refused now, not after the first target
    if "asic" in sizes:
        find_library(arguments.library)
    total = sum(asic_steps(names) if target == "asic" else fpga_steps(target, names, seeds) for target in targets)
    rows: list[Row] = []
    done = 0
    with progress("bench array, runs of tools") as update:
        def step() -> None:
            nonlocal done
            done += 1
            update(done, total)

        update(0, total)
        for target, size in sizes.items():
            rows += bench_asic(names, size, arguments.library, step) if target == "asic" else \
                bench_fpga(target, names, size, seeds, step)
    _show(rows)
    if arguments.json:
        write_json(arguments.json, {"rows": [row.to_dict() for row in rows]})
        say(arguments.json)
    return 0


def _chosen(text: str, known: Sequence[str], what: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name != "all" and name not in known]:
        raise ArgumentError(f"--{what}: unknown {what} {unknown[0]!r}; known are {', '.join(known)} and all")
    return [name for name in known if "all" in names or name in names]


def _bits(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise ArgumentError(f"--bits must be two numbers with a comma between, such as 8,8, not {text!r}")
    activation_bits, weight_bits = map(int, parts)
    if activation_bits not in range(2, 9) or weight_bits not in range(2, activation_bits + 1):
        raise ArgumentError(f"--bits A,W: A must be 2 to 8 and W 2 to A, not {text}")
    return activation_bits, weight_bits


def _show(rows: "Sequence[Row]") -> None:
    """Prints FPGAs and chips apart: they have nothing in common."""
    fpgas = [row for row in rows if row.target != "asic"]
    chips = [row for row in rows if row.target == "asic"]
    if fpgas:
        show_table([(row.target, row.pe, row.lanes, row.columns, f"{row.activation_bits},{row.weight_bits}",
                     _number(row.luts_per_op), _number(row.routed_luts_per_op), _number(row.shared_luts_per_op),
                     _number(row.carries_per_op), _number(row.ffs_per_op), _number(row.dsp), _number(row.fmax_mhz, 1),
                     "" if not row.fmax_seeds else f"{min(row.fmax_seeds):.1f} to {max(row.fmax_seeds):.1f}",
                     _number(row.ratio_to_baseline, 3)) for row in fpgas],
                   ("target", "pe", "lanes", "columns", "bits", "LUT", "routed", "shared", "carry", "FF", "DSP",
                    "fmax, MHz", "over seeds", "ratio"))
        say("LUT, routed, carry, FF, DSP: of an operation per cycle, with its share of tree and accumulator, without "
            "the registers of x and w; shared: what all columns share, by operations; ratio: LUT by those of "
            "multiplier-rows")
        for row in fpgas:
            if row.not_routed:
                say(f"{row.target} {row.pe} was not routed: {row.not_routed}")
    if chips:
        show_table([(row.library, row.pe, row.lanes, row.columns, f"{row.activation_bits},{row.weight_bits}",
                     _number(row.area_um2_per_op), _number(row.shared_area_um2_per_op), _number(row.delay_ns),
                     _number(row.energy_fj_per_op, 1), _number(row.shared_energy_fj_per_op, 1),
                     _number(row.ratio_to_baseline, 3), _number(row.energy_ratio_to_baseline, 3)) for row in chips],
                   ("library", "pe", "lanes", "columns", "bits", "area, µm²", "shared", "delay, ns", "energy, fJ",
                    "shared", "area ratio", "energy ratio"))
        say("area, energy: of an operation, with its share of tree and accumulator; energy with activations and "
            "weights of a trained layer; ratios: to multiplier-rows")


def _number(value: float | None, places: int = 2) -> str:
    return "" if value is None else f"{value:.{places}f}"


COMMAND = Command("array", "measure processing arrays on FPGAs and chips, beside arrays that multiply",
                  ("nomul bench array --target ecp5 --pe l1,sign",
                   "nomul bench array --target ice40 --lanes 8 --bits 4,4 --no-route --json array.json"),
                  _configure, _run)
