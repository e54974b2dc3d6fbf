"""Speed of the Verilated model by Verilator's and the compiler's options: the same images on the same accelerator.

    python bench/verilator_options.py --json build/verilator_options.json

ResNet-20 with random weights runs on 16×16 processing elements. The options take turns, several times each, and the
fastest time of each counts, so that what else the machine does matters less. Each is built once, in minutes.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from nomul.cosim.link import SimulationLink
from nomul.cosim.verilated import VerilatedModel, build
from nomul.cosim.verilog_cache import cached_verilog
from nomul.hdl.accelerator import Accelerator
from nomul.sw.bench_network import compile_fitting, largest_config, random_codes, random_network
from nomul.sw.driver.board import Board

#: By name: the compiler's level, and what Verilator gets besides its usual arguments.
OPTIONS: dict[str, tuple[int, tuple[str, ...]]] = {
    "as nomul builds it": (2, ()),
    "-O3 of the compiler": (3, ()),
    "-march=native": (2, ("-CFLAGS", "-march=native")),
    "--threads 2": (2, ("--threads", "2", "-LDFLAGS", "-pthread")),
    "--x-assign 0": (2, ("--x-assign", "0")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet20", help="as of `nomul bench network` (default: %(default)s)")
    parser.add_argument("--size", type=int, default=16, help="lanes and columns (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="how often each runs (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")
    arguments = parser.parse_args()
    network = random_network(arguments.network, "adder")
    compiled = compile_fitting(network, largest_config(arguments.network, arguments.size, arguments.size))
    config, codes = compiled.config, random_codes(network, 1)
    verilog = cached_verilog(lambda: Accelerator(config), f"Accelerator {config.hash}", "accelerator")
    boards, logits = {}, []
    for name, (optimize, options) in OPTIONS.items():
        begin = time.monotonic()
        library = build(verilog, "accelerator", optimize=optimize, options=options)
        print(f"{name}: built in {time.monotonic() - begin:.0f} s", flush=True)
        boards[name] = Board(SimulationLink(config, model=VerilatedModel(library)), timeout=10)
        boards[name].push(compiled)
    seconds: dict[str, list[float]] = {name: [] for name in boards}
    for _ in range(arguments.turns):
        for name, board in boards.items():
            begin = time.monotonic()
            logits.append(board.run(codes).logits)
            seconds[name].append(time.monotonic() - begin)
    if not all(np.array_equal(each, logits[0]) for each in logits):
        raise SystemExit("the models do not agree")
    usual = min(next(iter(seconds.values())))
    result = {name: {"seconds": min(times), "ratio": min(times) / usual} for name, times in seconds.items()}
    for name, row in result.items():
        print(f"{name:20}{row['seconds']:8.2f} s an image {row['ratio']:8.2f} times the first")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
