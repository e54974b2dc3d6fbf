"""The whole flow for one network, as `nomul demo` runs it: each step leaves a file, each file is used by the next."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nomul.cosim.differences import differing_bits
from nomul.gen.cli.files import write_array
from nomul.gen.cli.images import DIGITS, Images, load_images
from nomul.gen.cli.quantize import quantize_checkpoint
from nomul.gen.cli.screen import progress, working
from nomul.gen.cli.train import reusable, train_to_file
from nomul.gen.spec.config import Config

if TYPE_CHECKING:
    from nomul.sw.compiled import CompiledNetwork
    from nomul.sw.driver.base import BoardBase

__all__ = ["Prepared", "Report", "prepare", "run_on"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network ready for hardware, and what the golden model says about it.

    Attributes
    ----------
    compiled : CompiledNetwork
        Program and weights.
    images : Images
        All test images.
    golden : np.ndarray
        The golden model's logits, int16 (N, classes).
    float_accuracy : float
        Of the trained network, in percent.
    reused : bool
        Whether the checkpoint is an earlier run's.
    files : dict of str to str
        What was written.
    """

    compiled: "CompiledNetwork"
    images: Images
    golden: np.ndarray
    float_accuracy: float
    reused: bool
    files: dict[str, str]


@dataclass(frozen=True)
class Report:
    """The result for one network; the names are keys of the demo's JSON. Accuracies are in percent."""

    name: str
    float_accuracy: float
    golden_accuracy: float
    hardware_accuracy: float
    images: int
    differing_bits: int
    cycles_per_image: float
    weight_stream_bytes: int
    files: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


def prepare(name: str, folder: Path, config: Config, *, fresh: bool = False) -> Prepared:
    """Trains (or takes an earlier run's checkpoint), quantizes, compiles, and runs the golden model.

    Parameters
    ----------
    name : str
        Of a recipe for digits; names the files, too.
    folder : Path
        Where the files go.
    config : Config
        The accelerator.
    fresh : bool
        Train even if the checkpoint is there.
    """
    from nomul.sw import golden
    from nomul.sw.compile import compile_network
    from nomul.sw.recipe import load_recipe

    recipe = load_recipe(name)
    paths = {kind: folder / f"{name}.{kind}" for kind in ("checkpoint", "network", "program")}
    earlier = None if fresh else reusable(recipe, paths["checkpoint"])
    checkpoint = earlier or train_to_file(recipe, paths["checkpoint"])
    network = quantize_checkpoint(checkpoint, paths["network"], config)
    with working(f"compile {name}"):
        compiled = compile_network(network, config)
        compiled.save(paths["program"])
    images = load_images(DIGITS, network.input, network.activation_bits)
    with working(f"golden model of {name}"):
        expected = golden.run(network, images.codes)
    return Prepared(compiled, images, expected, checkpoint.result.accuracy, earlier is not None,
                    {kind: str(path) for kind, path in paths.items()})


def run_on(board: "BoardBase", prepared: Prepared, folder: Path) -> Report:
    """Pushes a prepared network, runs all images, and compares every output with the golden model's."""
    compiled = prepared.compiled
    with progress(f"push {compiled.name}", "bytes") as update:
        board.push(compiled, update)
    with progress(f"run {compiled.name}", "images") as update:
        result = board.run(prepared.images.codes, update)
    logits = folder / f"{compiled.name}.logits.npy"
    write_array(logits, result.logits)
    return Report(
        name=compiled.name,
        float_accuracy=prepared.float_accuracy,
        golden_accuracy=_accuracy(prepared.golden.argmax(axis=1), prepared.images),
        hardware_accuracy=_accuracy(result.top, prepared.images),
        images=len(result.logits),
        differing_bits=differing_bits(prepared.golden, result.logits),
        cycles_per_image=float(np.mean(result.cycles)),
        weight_stream_bytes=compiled.weight_stream_bytes,
        files={**prepared.files, "logits": str(logits)})


def _accuracy(predictions: np.ndarray, images: Images) -> float:
    return 100 * float(np.mean(predictions == images.labels))
