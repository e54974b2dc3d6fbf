"""The cocotb benches by name: which component each one takes, and how it is run."""

import json
from collections.abc import Callable
from typing import NamedTuple

from amaranth.lib import wiring

from nomul.cosim.harness import BenchResult, run_bench
from nomul.gen.spec.config import Config
from nomul.hdl.array import ProcessingArray
from nomul.hdl.host import HostLink

__all__ = ["BENCHES", "Bench", "run"]


class Bench(NamedTuple):
    """A bench: what it shows, its module, and the component it runs on."""

    title: str
    module: str
    component: Callable[[Config], wiring.Component]


#: Benches that need nothing but a configuration.
BENCHES = {
    "array": Bench("processing array against NumPy: corner values, idle cycles", "nomul.cosim.tb_array",
                   lambda config: ProcessingArray(config, 16)),
    "link": Bench("framed link: damaged, lost and doubled bytes, stalls", "nomul.cosim.tb_link", HostLink),
}


def run(name: str, config: Config, *, seed: int = 1) -> BenchResult:
    """Runs one of `BENCHES` on the hardware that `config` describes.

    Raises
    ------
    BenchError
        If hardware and model differ.
    """
    bench = BENCHES[name]
    return run_bench(bench.component(config), bench.module, seed=seed,
                     settings={"NOMUL_CONFIG": json.dumps(config.to_dict())})
