"""What a network's tensors are like: it runs on calibration images, and every step's tensor is kept."""

from typing import Any

import numpy as np
import torch
from torch import fx

from nomul.sw.steps import QuantizationError, Step

__all__ = ["record"]


def record(traced: fx.GraphModule, steps: list[Step], images: torch.Tensor) -> dict[str, np.ndarray]:
    """The tensor of every step for `images` (N, C, H, W), by the step's name.

    Raises
    ------
    QuantizationError
        If the images are none, not finite, or not such as the model takes.
    """
    if images.ndim != 4 or not len(images):
        raise QuantizationError(f"calibration_images must have the shape (number, channels, height, width), "
                                f"not {tuple(images.shape)}")
    if not torch.isfinite(images).all():
        raise QuantizationError("calibration_images must be finite, and some values are NaN or infinite")
    recorder = _Recorder(traced, steps)
    try:
        with torch.no_grad():
            recorder.run(images)
    except (RuntimeError, ValueError, IndexError) as error:
        raise QuantizationError(f"the model fails on calibration images of shape {tuple(images.shape)}: "
                                f"{str(error).splitlines()[0]}") from None
    return recorder.samples


class _Recorder(fx.Interpreter):
    """Runs the float model and keeps the tensor of every step."""

    def __init__(self, module: fx.GraphModule, steps: list[Step]):
        super().__init__(module)
        self.extra_traceback = False  # an error's first line is the error
        self.kept = {step.nodes[-1].name: step.name for step in steps}
        self.samples: dict[str, np.ndarray] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.kept:
            self.samples[self.kept[n.name]] = value.numpy().copy()
        return value
