"""`nomul train`: from a recipe and a data set to a checkpoint."""

import dataclasses
import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command, add_output
from nomul.gen.cli.files import ArgumentError, check_output, write_text
from nomul.gen.cli.images import DATASET_NAMES
from nomul.gen.cli.screen import progress, say
from nomul.gen.spec.errors import NomulError
from nomul.sw.recipe import Recipe, load_recipe, recipe_names

if TYPE_CHECKING:
    from nomul.sw.checkpoint import Checkpoint
    from nomul.sw.train import Epoch

__all__ = ["COMMAND", "reusable", "train_to_file"]


def train_to_file(recipe: Recipe, output: str | Path, *, data: str | None = None, seed: int = 0) -> "Checkpoint":
    """Trains a network and writes the checkpoint; a training that was stopped goes on.

    After each epoch, what there is about it is in ``OUTPUT.jsonl``, a line each, and what the next one needs in
    ``OUTPUT.training``, which disappears at the end.

    Parameters
    ----------
    recipe : Recipe
        What and how.
    output : path
        The checkpoint.
    data : str, optional
        Name of a data set; by default the recipe's.
    seed : int
        Of weights, order and augmentation.

    Raises
    ------
    DataError
        If the data set cannot be had.
    ModelError
        If there is no such network, or it does not take the images.
    ResumeError
        If ``OUTPUT.training`` is another training's.
    LayerError
        If network and teacher do not pair up.
    TrainingError
        If the training diverges.
    """
    from nomul.sw.checkpoint import Checkpoint, code_hash, save_checkpoint
    from nomul.sw.datasets import load_dataset
    from nomul.sw.models import build, build_teacher
    from nomul.sw.resume import save_training, take_up
    from nomul.sw.train import Training

    code = code_hash()  # before the training, during which a source file may be edited
    dataset = load_dataset(data or recipe.data)
    made = dataset.shape, dataset.classes, seed
    training = Training(build(recipe, *made), dataset, recipe, seed, build_teacher(recipe, *made))
    stopped = Path(f"{output}.training")
    if stopped.exists():
        take_up(stopped, training, code)
        say(f"{stopped}: goes on after epoch {len(training.history)} of {recipe.epochs}")
    note = ""
    with progress(f"train {recipe.name}, steps") as update:
        def step_done(done: int, loss: float) -> None:
            update(done, recipe.epochs * training.steps_per_epoch, f"loss {loss:.3f}{note}")

        def epoch_done(epoch: "Epoch") -> None:
            nonlocal note
            note = f", accuracy {epoch.accuracy:.2f} % after epoch {epoch.epoch}"
            save_training(stopped, training, code)
            write_text(f"{output}.jsonl", _lines(training.history))

        result = training.run(epoch_done, step_done)
    checkpoint = Checkpoint(training.model, recipe, dataset.name, dataset.shape, dataset.classes, seed, result, code)
    save_checkpoint(output, checkpoint)
    stopped.unlink(missing_ok=True)
    return checkpoint


def _lines(history: Sequence["Epoch"]) -> str:
    return "".join(json.dumps(dataclasses.asdict(epoch)) + "\n" for epoch in history)


def reusable(recipe: Recipe, path: Path, *, seed: int = 0) -> "Checkpoint | None":
    """The checkpoint at `path`, if training the recipe again would only make the same one.

    It must also still classify as many test images as it did after its training.
    """
    from nomul.sw.checkpoint import code_hash, load_checkpoint
    from nomul.sw.datasets import load_dataset
    from nomul.sw.train import accuracy

    try:
        checkpoint = load_checkpoint(path)
    except NomulError:
        return None
    if (checkpoint.recipe, checkpoint.seed, checkpoint.code) != (recipe, seed, code_hash()):
        return None
    dataset = load_dataset(checkpoint.dataset)
    now = accuracy(checkpoint.model, dataset.test_images, dataset.test_labels)
    return checkpoint if now == checkpoint.result.accuracy else None


def _plot(path: Path, metrics: Path, title: str) -> None:
    """Draws the curves of a training."""
    from nomul.sw.chart import line_chart, stack

    epochs = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    write_text(path, stack([
        line_chart(title, "epoch", "correct, %", {"test images": [(epoch["epoch"], epoch["accuracy"])
                                                                  for epoch in epochs]}),
        line_chart("", "epoch", "loss", {"training": [(epoch["epoch"], epoch["loss"]) for epoch in epochs]})]))


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help=f"a recipe's name or .toml file; known are "
                                                         f"{', '.join(recipe_names())}")
    parser.add_argument("--data", choices=DATASET_NAMES,
                        help="data set (default: the recipe's); all but digits are read from the folder that the "
                             "environment variable NOMUL_DATA names, into which public files that are missing are "
                             "downloaded")
    add_output(parser, "the checkpoint; beside it FILE.jsonl gets a line of metrics each epoch, and FILE.training what "
                       "the same command needs to go on after it was stopped")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the images (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--keep-first-last", action="store_true",
                        help="the first and the last layer multiply, as in the papers; such a network cannot be "
                             "quantized")
    parser.add_argument("--plot", metavar="FILE.svg", help="where to draw accuracy and loss of all epochs")


def _run(arguments: Namespace) -> int:
    if arguments.epochs is not None and arguments.epochs < 1:
        raise ArgumentError(f"--epochs must be at least 1, not {arguments.epochs}")
    output = check_output(arguments.output)
    if arguments.plot and check_output(arguments.plot).suffix != ".svg":
        raise ArgumentError(f"--plot draws SVG: give a name that ends in .svg, not {arguments.plot}")
    recipe = load_recipe(arguments.recipe)
    if arguments.epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=arguments.epochs)
    if arguments.keep_first_last:
        recipe = dataclasses.replace(recipe, keep_first_last=True)
    checkpoint = train_to_file(recipe, output, data=arguments.data, seed=arguments.seed)
    say(f"{output}: {recipe.name}, accuracy {checkpoint.result.accuracy:.2f} % of the test images")
    if arguments.plot:
        _plot(Path(arguments.plot), Path(f"{output}.jsonl"), f"{recipe.name} on {checkpoint.dataset}")
        say(arguments.plot)
    return 0


COMMAND = Command("train", "train a network without multiplications",
                  ("nomul train adder -o adder.checkpoint", "nomul train shift --epochs 3 -o quick.checkpoint",
                   "nomul train lenet-shift-q --seed 1 -o lenet.checkpoint --plot lenet.svg"),
                  _configure, _run)
