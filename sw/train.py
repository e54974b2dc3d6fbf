"""The training loop: deterministic by seed, judged by its last epoch, stopped and taken up again without a trace."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nomul.gen.spec.errors import NomulError
from nomul.sw.allocator import keep_freed_memory
from nomul.sw.batches import batches
from nomul.sw.data import Dataset, Images
from nomul.sw.distill import Distillation
from nomul.sw.divergence import computed_culprit, stored_culprit
from nomul.sw.optimize import make_optimizer, make_schedule
from nomul.sw.prune import make_permanent_, prunable_layers, prune_
from nomul.sw.recipe import Recipe

__all__ = ["Epoch", "TrainResult", "Training", "TrainingError", "accuracy", "train"]

#: Images that are classified at once; all of a large data set's would not fit the memory.
_EVALUATION_BATCH = 1000


class TrainingError(NomulError):
    """A training that came to nothing."""


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch.

    Attributes
    ----------
    epoch, epochs : int
        Its number from 1, of how many.
    loss : float
        The mean of its steps' losses.
    accuracy : float
        Correct test images in percent.
    learning_rate : float
        At its end.
    seconds : float
        It took so long, without the test images.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """What training led to, after the last epoch: training loss, and correct test images in percent."""

    loss: float
    accuracy: float


class Training:
    """The training of a model, in place, which goes on where `restore` puts it.

    The order of the images, how they are moved, and chance within layers come from `seed`, not from PyTorch's global
    generator.

    Parameters
    ----------
    model : nn.Module
        (N, C, H, W) to logits (N, classes).
    dataset : Dataset
        Its training images are trained on; its test images are only counted.
    recipe : Recipe
        How to train.
    seed : int
        Decides everything.
    teacher : nn.Module, optional
        Trained beside it from the start; the model learns from it as `nomul.sw.distill.Distillation` says.

    Attributes
    ----------
    history : list of Epoch
        The epochs done.

    Raises
    ------
    LayerError
        If the recipe prunes and there is nothing to prune; if model and teacher do not pair up.
    """

    def __init__(self, model: nn.Module, dataset: Dataset, recipe: Recipe, seed: int = 0,
                 teacher: nn.Module | None = None):
        self.model, self.dataset, self.recipe, self.seed = model, dataset, recipe, seed
        self._trained = model if teacher is None else _distillation(model, teacher, seed)
        if recipe.pruned:
            prunable_layers(model)
        self.history: list[Epoch] = []
        self.steps_per_epoch = -(-len(dataset.train_images) // recipe.batch)
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = make_optimizer(self._trained, recipe)
        self._schedule = make_schedule(self._optimizer, recipe, self.steps_per_epoch)
        self._layers_random = torch.Generator().manual_seed(seed).get_state()

    def run(self, epoch_done: Callable[[Epoch], None] | None = None,
            step_done: Callable[[int, float], None] | None = None) -> TrainResult:
        """Trains all epochs that are not done yet.

        Parameters
        ----------
        epoch_done : callable, optional
            Called after every epoch.
        step_done : callable, optional
            Called after every step with the number of steps done in all epochs, and the step's loss.

        Raises
        ------
        TrainingError
            If a loss, weight or statistic is not finite; names the layer.
        """
        keep_freed_memory()
        with _threads(self.recipe.threads), torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._layers_random)
            for number in range(len(self.history) + 1, self.recipe.epochs + 1):
                self._prune(number - 1)
                self.history.append(self._epoch(number, step_done))
                self._layers_random = torch.get_rng_state()
                if epoch_done is not None:
                    epoch_done(self.history[-1])
        make_permanent_(self.model).eval()
        return TrainResult(self.history[-1].loss, self.history[-1].accuracy)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """JSON-able values and arrays of which `restore` makes the same state between two epochs."""
        tensors = {f"model.{name}": value for name, value in self._trained.state_dict().items()}
        for index, values in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value for key, value in values.items()}
        tensors |= {"random.images": self._generator.get_state(), "random.layers": self._layers_random}
        arrays = {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
        return {"steps": self._schedule.last_epoch, "groups": self._optimizer.state_dict()["param_groups"],
                "history": [asdict(epoch) for epoch in self.history]}, arrays

    def restore(self, values: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Takes over what `state` of a training with the same arguments returned."""
        for done in range(len(values["history"])):
            self._prune(done)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        self._trained.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()
                                       if name.startswith("model.")})
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if part == "optimizer":
                index, _, key = rest.partition(".")
                state.setdefault(int(index), {})[key] = tensor
        self._optimizer.load_state_dict({"state": state, "param_groups": values["groups"]})
        steps = values["steps"]
        self._schedule.load_state_dict(
            {**self._schedule.state_dict(), "last_epoch": steps, "_step_count": steps + 1})
        self._generator.set_state(tensors["random.images"])
        self._layers_random = tensors["random.layers"]
        self.history = [Epoch(**epoch) for epoch in values["history"]]

    def _prune(self, done: int) -> None:
        """Prunes the model if it is so many epochs old."""
        if self.recipe.pruned and done == self.recipe.epochs // 2:
            prune_(self.model, self.recipe.pruned)

    def _epoch(self, number: int, step_done: Callable[[int, float], None] | None) -> Epoch:
        start, losses = time.monotonic(), []
        self._trained.train()
        for images, labels in batches(self.dataset, self.recipe, self._generator):
            self._optimizer.zero_grad()
            loss = self._loss(images, labels)
            if not math.isfinite(loss.item()):
                raise self._failure(number, computed_culprit(self._trained, partial(self._loss, images, labels))
                                    or "the loss is not finite, though all layers' outputs are")
            loss.backward()
            self._optimizer.step()
            self._schedule.step()
            losses.append(loss.detach())
            if step_done is not None:
                step_done((number - 1) * self.steps_per_epoch + len(losses), loss.item())
        seconds = time.monotonic() - start
        if culprit := stored_culprit(self._trained):
            raise self._failure(number, culprit)
        correct = accuracy(self.model, self.dataset.test_images, self.dataset.test_labels)
        return Epoch(number, self.recipe.epochs, float(torch.stack(losses).mean()), correct,
                     self._optimizer.param_groups[0]["lr"], seconds)

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        if isinstance(self._trained, Distillation):
            losses = self._trained(images, labels)
            return losses.student + losses.teacher
        return functional.cross_entropy(self.model(images), labels)

    def _failure(self, number: int, what: str) -> TrainingError:
        recipe = self.recipe
        return TrainingError(f"the training diverged in epoch {number}, {what}; lower learning_rate "
                             f"({recipe.learning_rate:g}) or adder_learning_rate ({recipe.adder_learning_rate:g})")


def _distillation(model: nn.Module, teacher: nn.Module, seed: int) -> Distillation:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)     # of the maps that it learns
        return Distillation(model, teacher)


def train(model: nn.Module, dataset: Dataset, recipe: Recipe, seed: int = 0,
          progress: Callable[[Epoch], None] | None = None) -> TrainResult:
    """Trains `model` in place from the start; see `Training`, whose arguments these are.

    Parameters
    ----------
    progress : callable, optional
        Called after every epoch.

    Raises
    ------
    TrainingError
        If it diverges; names the layer.
    """
    return Training(model, dataset, recipe, seed).run(progress)


def accuracy(model: nn.Module, images: Images, labels: Tensor) -> float:
    """Correctly classified images in percent, in evaluation mode."""
    model.eval()
    with torch.no_grad():
        predictions = torch.cat([model(images[start:start + _EVALUATION_BATCH]).argmax(1)
                                 for start in range(0, len(images), _EVALUATION_BATCH)])
    return 100 * int((predictions == labels).sum()) / len(labels)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
