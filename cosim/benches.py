"""The cocotb benches by name: which component each one takes, and how it is run."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from amaranth.lib import wiring

from nomul.cosim.harness import BenchResult, run_bench
from nomul.gen.spec.config import Config
from nomul.hdl.accelerator import Accelerator
from nomul.hdl.array import ProcessingArray
from nomul.hdl.axi.accelerator import AxiTop
from nomul.hdl.link import HostLink
from nomul.sw.compiled import CompiledNetwork

__all__ = ["BENCHES", "Bench", "run", "run_axi", "run_network"]


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


def run_network(compiled: CompiledNetwork, images: np.ndarray, logits: np.ndarray, *, seed: int = 1) -> BenchResult:
    """Pushes a network to its accelerator over the link, runs images, and compares the logits; with random stalls.

    Parameters
    ----------
    compiled : CompiledNetwork
        The network; its configuration describes the accelerator.
    images : uint8 array, shape (N, C, H, W)
        Input codes.
    logits : int16 array, shape (N, classes)
        What they should give.

    Raises
    ------
    BenchError
        If an answer differs.
    """
    return _run_network(Accelerator(compiled.config), "nomul.cosim.tb_accelerator", compiled, images, logits, seed)


def run_axi(compiled: CompiledNetwork, images: np.ndarray, logits: np.ndarray, *, width: int,
            seed: int = 1) -> BenchResult:
    """The same with an AXI peripheral whose streams have `width` bytes; and packets that break its rules."""
    return _run_network(AxiTop(compiled.config, width), "nomul.cosim.tb_axi", compiled, images, logits, seed,
                        {"NOMUL_WIDTH": str(width)})


def _run_network(component: wiring.Component, module: str, compiled: CompiledNetwork, images: np.ndarray,
                 logits: np.ndarray, seed: int, settings: Mapping[str, str] = MappingProxyType({})) -> BenchResult:
    with tempfile.TemporaryDirectory(prefix="nomul-network-") as folder:
        program, vectors = Path(folder) / "bench.program", Path(folder) / "vectors.npz"
        compiled.save(program)
        np.savez(vectors, images=images, logits=logits)
        return run_bench(component, module, seed=seed,
                         settings={"NOMUL_PROGRAM": str(program), "NOMUL_VECTORS": str(vectors), **settings})
