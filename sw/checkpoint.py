"""Checkpoints: a trained network's tensors, and everything that led to them, in one container."""

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nomul.sw import container
from nomul.sw.models import build
from nomul.sw.recipe import Recipe
from nomul.sw.train import TrainResult

__all__ = ["Checkpoint", "code_hash", "load_checkpoint", "save_checkpoint"]

#: Modules that decide, with those that they import, which weights training arrives at.
_ROOTS = ("train", "models", "datasets")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network and how it came about.

    Attributes
    ----------
    model : nn.Module
        In evaluation mode.
    recipe : Recipe
        What was trained, and how.
    dataset : str
        Name of what it was trained on.
    shape : tuple of int
        Of the images, (C, H, W).
    classes : int
        How many logits it has.
    seed : int
        Of weights, order and augmentation.
    result : TrainResult
        Loss and accuracy at the end.
    code : str
        `code_hash()` of the code that trained it.
    """

    model: nn.Module
    recipe: Recipe
    dataset: str
    shape: tuple[int, int, int]
    classes: int
    seed: int
    result: TrainResult
    code: str

    @property
    def name(self) -> str:
        """The recipe's."""
        return self.recipe.name


@cache
def code_hash() -> str:
    """Sixteen hexadecimal digits over the training code and PyTorch's version: equal code trains equal weights."""
    digest = hashlib.sha256(torch.__version__.encode())
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources() -> list[Path]:
    """The files of `_ROOTS` and of all that they import from here, with the C++ sources of the same names."""
    waiting, found = list(_ROOTS), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
            waiting += re.findall(r"^ *from nomul\.sw\.(\w+) import", text, re.M)
            waiting += re.findall(r"\w+", " ".join(re.findall(r"^ *from nomul\.sw import (.+)", text, re.M)))
    return sorted(path for name in found for path in Path(__file__).parent.glob(f"{name}.*")
                  if path.suffix in (".py", ".cpp"))


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> str:
    """Writes a checkpoint, whole or not at all, and returns its content hash.

    Raises
    ------
    ContainerError
        If the file cannot be written.
    """
    header = {"recipe": checkpoint.recipe.to_dict(), "dataset": checkpoint.dataset, "shape": list(checkpoint.shape),
              "classes": checkpoint.classes, "seed": checkpoint.seed, "code": checkpoint.code,
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
        If this nomul does not know the network.
    RecipeError
        If it does not know the recipe's fields.
    """
    content = container.load(path, "checkpoint")
    header: dict[str, Any] = content.header
    with container.rebuilding(path, "checkpoint"):
        recipe, (channels, height, width) = Recipe.from_dict(header["recipe"]), header["shape"]
        model = build(recipe, (channels, height, width), header["classes"])
        model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in content.tensors.items()})
        return Checkpoint(model.eval(), recipe, header["dataset"], (channels, height, width), header["classes"],
                          header["seed"], TrainResult(**header["result"]), header["code"])
