"""What a network's tensors are like: it runs on calibration images, and every tensor is kept."""

from typing import Any

import numpy as np
import torch
from torch import fx

from nomul.sw.step_graph import FloatModel
from nomul.sw.steps import QuantizationError

__all__ = ["check_images", "record"]


def check_images(images: torch.Tensor) -> None:
    """Refuses calibration images that are none, no real numbers, or not finite.

    Raises
    ------
    QuantizationError
        Says which.
    """
    if images.ndim != 4 or not len(images):
        raise QuantizationError(f"calibration_images must have the shape (number, channels, height, width), "
                                f"not {tuple(images.shape)}")
    if not images.is_floating_point():
        raise QuantizationError(f"calibration_images must be real numbers as the model takes them, for example "
                                f"float32, not {str(images.dtype).removeprefix('torch.')}")
    if not torch.isfinite(images).all():
        raise QuantizationError("calibration_images must be finite, and some values are NaN or infinite")


def record(floats: FloatModel, images: torch.Tensor) -> dict[str, np.ndarray]:
    """Every tensor of a model for `images` (N, C, H, W), by its name."""
    recorder = _Recorder(floats)
    with torch.no_grad():
        recorder.run(images)
    return recorder.samples


class _Recorder(fx.Interpreter):
    """Runs the float model and keeps every tensor."""

    def __init__(self, floats: FloatModel):
        super().__init__(floats.module)
        self.kept = {node.name: name for name, node in floats.nodes.items()}
        self.samples: dict[str, np.ndarray] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.kept:
            self.samples[self.kept[n.name]] = value.numpy().copy()
        return value
