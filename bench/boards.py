"""Images a second of known networks on a board: on our accelerator, and on one whose array multiplies.

    nomul build --board ulx3s-85f -o build/ulx3s --json build/ulx3s.json
    python bench/boards.py --build build/ulx3s.json --json build/boards.json

Cycles are exact, those of `nomul bench network`: an operation takes a processing element one cycle, whichever operation
it is, so an array that multiplies takes the same cycles as one of the same shape that does not. Both run at the
board's clock. What differs is how many there are:

- *ours*: the preset of the board, with memories that hold the network.
- *DSP blocks*: a MULT18X18D of an ECP5 is taken to make two products of 9 bits by 9, as Lattice counts (FPGA-DS-02012,
  FPGA-TN-02205), though the open tools place only one; so the 156 of an LFE5U-85F make 312 products a cycle. Their
  adder trees count for nothing here.
- *LUTs of our array*: as many multipliers as fit into the look-up tables that our array takes, by what
  `nomul bench array` counts for an operation with its share of tree and accumulator. The multiplier is the smallest
  that we know how to make by hand, less than half of what tools make of ``*``.
- *LUTs of the chip*: as many as fit beside the rest of our accelerator, if the result of its build is given.

For each budget: the best array with powers of two of lanes and columns, as the generator makes them, with sixteen rows
of requantizers; and the bound that no array of so many multipliers can exceed, each busy in every cycle.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from nomul.boards import find_board
from nomul.gen.bench.fpga import bench_fpga
from nomul.gen.bench.pes import Size
from nomul.gen.presets import load_config
from nomul.gen.spec.config import Config
from nomul.gen.synth.targets import TARGETS
from nomul.sw.bench_network import compile_fitting, largest_config, random_network
from nomul.sw.cycles import predict
from nomul.sw.network import IntegerNetwork
from nomul.sw.report import report_compiled

NETWORKS = ("lenet", "resnet20")
#: Products of 8 bits by 8 that a multiplier block makes in a cycle.
PRODUCTS = {"ecp5": 2}
MULTIPLIER = "multiplier-merged"
_SIDES, _REQUANTIZERS = (4, 8, 16, 32, 64), 16


@dataclass(frozen=True)
class Row:
    """A network on an array; `array` says which, `elements` how many there is room for."""

    network: str
    array: str
    elements: int
    lanes: int
    columns: int
    cycles: int
    clock_mhz: float
    images_per_second: float
    bound_images_per_second: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="ulx3s-85f", help="the board (default: %(default)s)")
    parser.add_argument("--config", metavar="NAME|FILE.toml", help="preset or file (default: that of the build, or the "
                                                                   "board's)")
    parser.add_argument("--build", metavar="FILE", help="what `nomul build --json` wrote for this board")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")
    arguments = parser.parse_args()
    board = find_board(arguments.board)
    build = json.loads(Path(arguments.build).read_text(encoding="utf-8")) if arguments.build else None
    if build and build["board"] != board.name:
        parser.error(f"--build {arguments.build} is of board {build['board']}, not {board.name}")
    config, family = load_config(arguments.config or (build["config"] if build else board.preset)), board.family.name
    if family not in PRODUCTS:
        parser.error(f"--board must have an FPGA of {', '.join(PRODUCTS)}, not {family}")
    luts = {row.pe: row.luts_per_op for row in bench_fpga(family, ["l1", "sign", "shift8", "multiplier-rows",
                                                                   MULTIPLIER], Size(), 0, lambda: None)}
    budgets = dict(_budgets(config, board.chip, family, luts, build))
    clock = board.clock_hz / 1e6
    rows = [row for name in NETWORKS for row in _rows(random_network(name, "adder"), config, budgets, clock)]
    for row in rows:
        print(f"{row.network:9} {row.array:17} {row.elements:5} elements, {row.lanes:2}×{row.columns:<2} "
              f"{row.cycles:8} cycles {row.images_per_second:9.1f} images/s, bound {row.bound_images_per_second:9.1f}")
    reaches = build["fmax_mhz"] if build else None
    print(f"{board.name}, {config.name}: at {clock:g} MHz" + (f"; placed and routed, it reaches {reaches:.1f} MHz"
                                                              if reaches else ""))
    print("look-up tables of an operation: " + ", ".join(f"{name} {value:.1f}" for name, value in luts.items()))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({
            "board": board.name, "config": config.name, "clock_mhz": clock, "fmax_mhz": reaches,
            "luts_per_operation": luts, "rows": [asdict(row) for row in rows]}, indent=2) + "\n", encoding="utf-8")


def _budgets(config: Config, chip: str, family: str, luts: dict, build: dict | None) -> Iterator[tuple[str, int]]:
    """Multipliers by where they are made."""
    device = next(device for device in TARGETS[family].devices if device.name.startswith(chip))
    names = {"l1": "l1", "sign": "sign", "shift": "shift8"}
    array = config.lanes * config.columns * sum(luts[names[operator]] for operator in config.operators)
    yield "DSP blocks", PRODUCTS[family] * device.dsps
    yield "LUTs of our array", int(array / luts[MULTIPLIER])
    if build:
        rest = build["resources"]["luts"]["used"] - array
        yield "LUTs of the chip", int((device.luts - rest) / luts[MULTIPLIER])


def _rows(network: IntegerNetwork, config: Config, budgets: dict[str, int], clock_mhz: float) -> Iterator[Row]:
    operations = 0

    def row(array: str, elements: int, lanes: int, columns: int, requantizers: int) -> Row:
        nonlocal operations
        compiled = compile_fitting(network, largest_config(network.name, lanes, columns, requantizers),
                                   choose_requantizers=False)
        cycles = sum(layer.total for layer in predict(compiled))
        operations = report_compiled(network, compiled).operations
        return Row(network.name, array, elements, lanes, columns, cycles, clock_mhz, clock_mhz * 1e6 / cycles,
                   clock_mhz * 1e6 * elements / operations)

    yield row("ours", config.lanes * config.columns, config.lanes, config.columns, config.requantizers)
    for array, elements in budgets.items():
        largest = 1 << elements.bit_length() - 1
        yield min((row(array, elements, lanes, largest // lanes, _REQUANTIZERS) for lanes in _SIDES
                   if largest // lanes in _SIDES), key=lambda each: each.cycles)


if __name__ == "__main__":
    main()
