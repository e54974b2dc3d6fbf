"""The training loop: deterministic by seed, judged by its last epoch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nomul.sw.data import Dataset
from nomul.sw.layers import L1Conv2d, L1Linear

__all__ = ["RECIPES", "Progress", "Recipe", "TrainResult", "accuracy", "train"]


#: Images that are classified at once; all of a large data set's would not fit the memory.
_EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Recipe:
    """How to train: Adam with a one-cycle schedule.

    Attributes
    ----------
    epochs, batch : int
        Passes over the training images, and images a step.
    learning_rate : float
        Peak rate of everything but L1 weights.
    adder_learning_rate : float
        Peak rate of L1 weights, which start at N(0, 1) and need a far larger one.
    jitter : float
        Training images are moved by up to so many pixels in both directions, filled with 0.
    threads : int
        Threads that PyTorch may use. Part of the recipe because sums depend on it in their last bits; and small
        networks are fastest with one, by far so when other programs use the cores.
    """

    epochs: int = 60
    batch: int = 32
    learning_rate: float = 4e-3
    adder_learning_rate: float = 0.2
    jitter: float = 0.5
    threads: int = 1


_MNIST = Recipe(epochs=3, batch=128, adder_learning_rate=0.1, jitter=0)

#: What each network is trained with. The demo's: found by cross-validation within the training images (over six to
#: ten random splits, on average 2.3 to 2.8 of 450 validation images wrong).
RECIPES = {
    "adder": Recipe(),
    "shift": Recipe(),
    "shiftadd": Recipe(),
    "lenet-adder": _MNIST,
    "lenet-shift": _MNIST,
    "lenet-shiftadd": _MNIST,
}


@dataclass(frozen=True)
class Progress:
    """State after an epoch: its number from 1, of how many, the mean training loss."""

    epoch: int
    epochs: int
    loss: float


@dataclass(frozen=True)
class TrainResult:
    """What training led to, after the last epoch: training loss, and correct test images in percent."""

    loss: float
    accuracy: float


def train(model: nn.Module, dataset: Dataset, recipe: Recipe, seed: int = 0,
          progress: Callable[[Progress], None] | None = None) -> TrainResult:
    """Trains `model` in place.

    The order of the images and their jitter come from `seed`, not from PyTorch's global generator.

    Parameters
    ----------
    model : nn.Module
        (N, C, H, W) to logits (N, classes).
    progress : callable, optional
        Called after every epoch.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.threads)
    try:
        loss = _epochs(model, dataset, recipe, seed, progress)
        return TrainResult(loss, accuracy(model, dataset.test_images, dataset.test_labels))
    finally:
        torch.set_num_threads(threads)


def _epochs(model: nn.Module, dataset: Dataset, recipe: Recipe, seed: int,
            progress: Callable[[Progress], None] | None) -> float:
    """Runs all epochs; the last one's mean loss."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(_parameter_groups(model, recipe))
    steps = recipe.epochs * -(-len(dataset.train_images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [group["lr"] for group in optimizer.param_groups], total_steps=steps)
    loss = 0.0
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        losses = []
        for images, labels in _batches(dataset, recipe, generator):
            optimizer.zero_grad()
            batch_loss = functional.cross_entropy(model(images), labels)
            batch_loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(batch_loss.detach())
        loss = float(torch.stack(losses).mean())
        if progress is not None:
            progress(Progress(epoch, recipe.epochs, loss))
    return loss


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Correctly classified images in percent, in evaluation mode."""
    model.eval()
    with torch.no_grad():
        predictions = torch.cat([model(some).argmax(1) for some in images.split(_EVALUATION_BATCH)])
    return 100 * int((predictions == labels).sum()) / len(labels)


def _parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict]:
    adders = [module.weight for module in model.modules() if isinstance(module, L1Conv2d | L1Linear)]
    chosen = set(adders)
    others = [parameter for parameter in model.parameters() if parameter not in chosen]
    groups = [{"params": adders, "lr": recipe.adder_learning_rate}, {"params": others, "lr": recipe.learning_rate}]
    return [group for group in groups if group["params"]]


def _batches(dataset: Dataset, recipe: Recipe, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(dataset.train_images), generator=generator)
    for chosen in order.split(recipe.batch):
        if len(chosen) > 1:  # a batch norm has no variance over one image
            images = _jitter(dataset.train_images[chosen], recipe.jitter, generator)
            yield images, dataset.train_labels[chosen]


def _jitter(images: Tensor, pixels: float, generator: torch.Generator) -> Tensor:
    """Every image moved by its own random distance, up to `pixels` in both directions, interpolated linearly."""
    if not pixels:
        return images
    height, width = images.shape[2:]
    distance = (2 * torch.rand(len(images), 2, generator=generator) - 1) * pixels
    move = torch.eye(2, 3).repeat(len(images), 1, 1)
    move[:, :, 2] = distance * 2 / torch.tensor([width, height])  # a map is two units wide and high
    return functional.grid_sample(images, functional.affine_grid(move, list(images.shape), align_corners=False),
                                  align_corners=False)
