"""Checkpoints: a trained network's tensors, and everything that led to them, in one container."""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nomul.sw import container
from nomul.sw.models import build
from nomul.sw.train import Recipe, TrainResult

__all__ = ["Checkpoint", "code_hash", "load_checkpoint", "save_checkpoint"]

#: What decides, besides recipe and seed, which weights training arrives at.
_SOURCES = ("data.py", "l1.cpp", "l1.py", "layers.py", "lenet.py", "mnist.py", "models.py", "native.py", "shift.py",
            "train.py")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network and how it came about.

    Attributes
    ----------
    model : nn.Module
        In evaluation mode.
    name, dataset : str
        Names of the model and of what it was trained on.
    recipe : Recipe
        How it was trained.
    seed : int
        Of weights, order and jitter.
    result : TrainResult
        Loss and accuracy at the end.
    code : str
        `code_hash()` of the code that trained it.
    """

    model: nn.Module
    name: str
    dataset: str
    recipe: Recipe
    seed: int
    result: TrainResult
    code: str


@cache
def code_hash() -> str:
    """Sixteen hexadecimal digits over the training code and PyTorch's version: equal code trains equal weights."""
    digest = hashlib.sha256(torch.__version__.encode())
    for name in _SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> str:
    """Writes a checkpoint, whole or not at all, and returns its content hash.

    Raises
    ------
    ContainerError
        If the file cannot be written.
    """
    header = {"model": checkpoint.name, "dataset": checkpoint.dataset, "seed": checkpoint.seed,
              "code": checkpoint.code, "recipe": dataclasses.asdict(checkpoint.recipe),
              "result": dataclasses.asdict(checkpoint.result)}
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.model.state_dict().items()}
    return container.save(path, "checkpoint", header, tensors)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises
    ------
    ContainerError
        If the file is no checkpoint, damaged, or does not fit the model that it names.
    ModelError
        If this nomul does not know the model.
    """
    content = container.load(path, "checkpoint")
    header: dict[str, Any] = content.header
    with container.rebuilding(path, "checkpoint"):
        model = build(header["model"])
        model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in content.tensors.items()})
        return Checkpoint(model.eval(), header["model"], header["dataset"], Recipe(**header["recipe"]),
                          header["seed"], TrainResult(**header["result"]), header["code"])
