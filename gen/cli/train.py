"""`nomul train`: from a data set to a checkpoint."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command, add_output
from nomul.gen.cli.files import ArgumentError, check_output
from nomul.gen.cli.images import DATASET_NAMES
from nomul.gen.cli.screen import progress, say
from nomul.gen.spec.errors import NomulError

if TYPE_CHECKING:
    from nomul.sw.checkpoint import Checkpoint

__all__ = ["COMMAND", "reusable", "train_to_file"]


def train_to_file(name: str, output: str | Path, *, data: str | None = None, seed: int = 0,
                  epochs: int | None = None) -> "Checkpoint":
    """Trains one of the built-in networks and writes the checkpoint.

    Parameters
    ----------
    name : str
        A key of `nomul.sw.models.MODELS`.
    output : path
        The checkpoint.
    data : str, optional
        Name of a data set; by default the one whose images the network takes.
    seed : int
        Of weights, order and jitter.
    epochs : int, optional
        Instead of the recipe's.

    Raises
    ------
    ArgumentError
        If the network does not take the data set's images.
    DataError
        If the data set cannot be had.
    ModelError
        For an unknown network.
    """
    from dataclasses import replace

    from nomul.sw.checkpoint import Checkpoint, code_hash, save_checkpoint
    from nomul.sw.datasets import load_dataset
    from nomul.sw.models import build
    from nomul.sw.train import RECIPES, Progress, train

    code = code_hash()  # before the training, during which a source file may be edited
    model, dataset = build(name, seed), load_dataset(_fitting(name, data))
    recipe = RECIPES[name] if epochs is None else replace(RECIPES[name], epochs=epochs)
    with progress(f"train {name}, epochs") as update:
        def report(state: Progress) -> None:
            update(state.epoch, state.epochs)

        result = train(model, dataset, recipe, seed, report)
    checkpoint = Checkpoint(model, name, dataset.name, recipe, seed, result, code)
    save_checkpoint(output, checkpoint)
    return checkpoint


def _fitting(name: str, data: str | None) -> str:
    """The data set to train on, which has images of the network's shape."""
    from nomul.sw.datasets import DATASETS, dataset_of_shape
    from nomul.sw.models import MODELS, image_shape

    shape = image_shape(name)
    chosen = data or dataset_of_shape(shape)
    if chosen not in DATASETS or DATASETS[chosen].shape != shape:
        fitting = [model for model in MODELS if chosen in DATASETS and MODELS[model].shape == DATASETS[chosen].shape]
        raise ArgumentError(f"model {name} takes images of {'×'.join(map(str, shape))}, not those of {chosen}; "
                            f"models for {chosen} are {', '.join(fitting)}")
    return chosen


def reusable(name: str, path: Path, *, seed: int = 0) -> "Checkpoint | None":
    """The checkpoint at `path`, if training `name` again with its recipe would only make the same one.

    It must also still classify as many test images as it did after its training.
    """
    from nomul.sw.checkpoint import code_hash, load_checkpoint
    from nomul.sw.datasets import load_dataset
    from nomul.sw.train import RECIPES, accuracy

    try:
        checkpoint = load_checkpoint(path)
    except NomulError:
        return None
    made_by = (checkpoint.name, checkpoint.recipe, checkpoint.seed, checkpoint.code)
    if made_by != (name, RECIPES[name], seed, code_hash()):
        return None
    dataset = load_dataset(checkpoint.dataset)
    now = accuracy(checkpoint.model, dataset.test_images, dataset.test_labels)
    return checkpoint if now == checkpoint.result.accuracy else None


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="adder (L1 layers), shift (power-of-two layers) or shiftadd "
                                                       "(shift layers, each followed by an L1 layer) for digits; "
                                                       "lenet-adder, lenet-shift or lenet-shiftadd for mnist")
    parser.add_argument("--data", choices=DATASET_NAMES,
                        help="data set (default: the one that fits the model); mnist is read from the folder that the "
                             "environment variable NOMUL_DATA names")
    add_output(parser, "the checkpoint")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the images (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")


def _run(arguments: Namespace) -> int:
    if arguments.epochs is not None and arguments.epochs < 1:
        raise ArgumentError(f"--epochs must be at least 1, not {arguments.epochs}")
    output = check_output(arguments.output)
    checkpoint = train_to_file(arguments.model, output, data=arguments.data, seed=arguments.seed,
                               epochs=arguments.epochs)
    say(f"{output}: {checkpoint.name}, accuracy {checkpoint.result.accuracy:.2f} % of the test images")
    return 0


COMMAND = Command("train", "train a network without multiplications on handwritten digits",
                  ("nomul train adder -o adder.checkpoint", "nomul train shift --epochs 3 -o quick.checkpoint",
                   "nomul train lenet-shift --data mnist -o lenet.checkpoint"),
                  _configure, _run)
