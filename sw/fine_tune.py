"""Fine-tuning with rounding in between: some epochs more for a trained network that will have few bits."""

import dataclasses
from collections.abc import Callable

import torch
from torch import fx, nn

from nomul.sw.data import Dataset
from nomul.sw.fake_quantize import fake_quantize
from nomul.sw.quantization_config import QuantizationConfig
from nomul.sw.recipe import Recipe
from nomul.sw.train import Training

__all__ = ["fine_tuned"]

#: Of the recipe's rates: where the cosine starts that ends at 0.
_RATE = 0.3


def fine_tuned(model: nn.Module, calibration_images: torch.Tensor, config: QuantizationConfig, dataset: Dataset,
               recipe: Recipe, epochs: int, seed: int,
               progress: Callable[[int, int, str], None] | None = None) -> fx.GraphModule:
    """Trains a model on, with the rounding of its integers in between.

    Parameters
    ----------
    model, calibration_images, config
        As for `nomul.sw.fake_quantize.fake_quantize`.
    dataset : Dataset
        The one that the model was trained on.
    recipe : Recipe
        The one that it was trained by: parts of its rates are where these begin.
    epochs : int
        At least 1.
    seed : int
        Of order and augmentation.
    progress : callable, optional
        Called after every step with the number of steps done, of how many, and a note.

    Returns
    -------
    fx.GraphModule
        For `nomul.sw.quantize.quantize_`.

    Raises
    ------
    QuantizationError
        If the hardware does not have something of the model.
    TrainingError
        If training diverges.
    """
    fake = fake_quantize(model, calibration_images, config)
    rates = {key: _RATE * getattr(recipe, key)
             for key in ("learning_rate", "adder_learning_rate", "exponent_learning_rate")}
    training = Training(fake, dataset, dataclasses.replace(recipe, epochs=epochs, schedule="cosine", milestones=(),
                                                           **rates), seed)
    steps = epochs * training.steps_per_epoch
    training.run(step_done=None if progress is None else
                 lambda done, loss: progress(done, steps, f"loss {loss:.3f}"))
    return fake
