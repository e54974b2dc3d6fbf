"""Trainings that were stopped: after each epoch, everything that the next one needs is in one file."""

from pathlib import Path
from typing import Any

from nomul.gen.spec.errors import NomulError
from nomul.sw import container
from nomul.sw.train import Training

__all__ = ["ResumeError", "save_training", "take_up"]


class ResumeError(NomulError):
    """A file of another training."""


def save_training(path: str | Path, training: Training, code: str) -> None:
    """Writes the state between two epochs, whole or not at all.

    Parameters
    ----------
    code : str
        `nomul.sw.checkpoint.code_hash()` of the code that trains.

    Raises
    ------
    ContainerError
        If the file cannot be written.
    """
    values, arrays = training.state()
    container.save(path, "training", {**_identity(training, code), **values}, arrays)


def take_up(path: str | Path, training: Training, code: str) -> None:
    """Puts a training that has not begun where the one in the file was.

    Raises
    ------
    ContainerError
        If the file is none of a training's, or damaged.
    ResumeError
        If it is another training's: of another recipe, seed, data set or version of the code.
    """
    content = container.load(path, "training")
    for key, value in _identity(training, code).items():
        if content.header.get(key) != value:
            raise ResumeError(f"{str(path)!r} holds a stopped training with another {key}; go on with what it was "
                              f"started with, or delete it to start anew")
    with container.rebuilding(path, "training"):
        training.restore(content.header, content.tensors)


def _identity(training: Training, code: str) -> dict[str, Any]:
    """What two trainings must have in common to come out the same."""
    dataset = training.dataset
    return {"recipe": training.recipe.to_dict(), "seed": training.seed, "code": code,
            "data set": [dataset.name, list(dataset.train_images.shape), list(dataset.test_images.shape)]}
