"""Speed of the fast Verilated model against cocotb on Verilator: the same accelerator, the same bytes, one run.

    python bench/simulators.py --json build/simulators.json

Traffic of the link goes through the accelerator of a preset: a small network is loaded, then images run, one request
after the other. The fast model does it in one batch call; in cocotb a coroutine drives each of the two byte streams
every cycle, as all our benches do. All must give the same bytes. Times are processor seconds, so that other work on
the machine does not count.

"cocotb" is the simulator as cocotb's runner builds it, with all signals visible (building it takes a minute or two,
once); "ports" is the one that our benches use, faster because Verilator may optimise what is not visible.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from nomul.cosim.harness import run_bench
from nomul.cosim.link import accelerator_model
from nomul.cosim.tb_accelerator import requests
from nomul.gen.presets import load_config
from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import END, encode
from nomul.gen.spec.operators import Operator
from nomul.hdl.accelerator import Accelerator
from nomul.sw.compile import compile_network
from nomul.sw.network import ArrayLayer, IntegerNetwork, Tensor

#: Silence that ends the batch; longer than an image takes.
QUIET = 100_000


def layer(dice: np.random.Generator, name: str, source: tuple[str, Tensor], channels: int, kernel: int,
          logits: bool = False) -> ArrayLayer:
    """An L1 layer with random weights; padded so that the map keeps its size, or down to one pixel."""
    shape = (channels, source[1].channels, kernel, kernel)
    padding, size = (0, 1) if logits else (kernel // 2, source[1].height)
    lower, upper = (-(1 << 15), (1 << 15) - 1) if logits else (0, 255)
    return ArrayLayer(name, source[0], Operator.L1, dice.integers(256, size=shape).astype(np.int16),
                      np.full(channels, 85 * shape[1] * kernel**2, np.int64), np.full(channels, 40_000, np.int32),
                      20, 1, padding, lower, upper, Tensor(channels, size, size))


def traffic(config: Config, images: int) -> bytes:
    """All requests of a session, as they go over the line."""
    dice = np.random.default_rng(1)
    first = layer(dice, "first", ("input", Tensor(1, 8, 8)), 16, 3)
    second = layer(dice, "second", ("first", first.output), 16, 3)
    last = layer(dice, "last", ("second", second.output), 10, 8, logits=True)
    network = IntegerNetwork("speed", 8, Tensor(1, 8, 8), (first, second, last), {})
    codes = dice.integers(256, size=(images, 1, 8, 8)).astype(np.uint8)
    session = requests(compile_network(network, config), codes)
    return b"".join(encode(n & 255, operation, payload) for n, (operation, payload) in enumerate(session))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="demo", help="preset or .toml file (default: %(default)s)")
    parser.add_argument("--images", type=int, default=30, help="images that run (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    data = traffic(config, arguments.images)

    answers = accelerator_model(config).run_bytes(data, quiet=QUIET).output
    model = accelerator_model(config)
    begin = time.process_time()
    moved = model.run_bytes(data, quiet=QUIET, capacity=len(answers))   # ends with the last byte
    fast = {"cycles": moved.cycles, "seconds": time.process_time() - begin}
    if moved.accepted < len(data) or moved.output.count(END) < arguments.images:
        raise SystemExit("the accelerator did not answer everything")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "requests").write_bytes(data)
        Path(folder, "answers").write_bytes(answers)
        runs = {"fast": fast}
        for name in ("cocotb", "ports"):
            run_bench(Accelerator(config), "nomul.cosim.tb_speed", settings={"NOMUL_TRAFFIC": folder},
                      everything_visible=name == "cocotb")
            runs[name] = json.loads(Path(folder, "cocotb.json").read_text())

    for run in runs.values():
        run["cycles_per_second"] = run["cycles"] / run["seconds"]
    ratio, ratio_ports = (fast["cycles_per_second"] / runs[name]["cycles_per_second"] for name in ("cocotb", "ports"))
    result = {"config": config.name, "images": arguments.images, **runs, "ratio": ratio, "ratio_ports": ratio_ports}
    for name, run in runs.items():
        print(f"{name:8}{run['cycles']:>10} cycles {run['seconds']:8.2f} s {run['cycles_per_second']:>12,.0f} cycles/s")
    print(f"ratio   {ratio:10.1f} (of the ports only: {ratio_ports:.1f})")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
