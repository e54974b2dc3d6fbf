"""From steps to integer layers: calibration images run through the model, and every step gets its integers."""

from typing import NamedTuple

import torch
from torch import nn

from nomul.sw.calibrate import record
from nomul.sw.front_end import Lowered
from nomul.sw.integer_layers import LayerBuilder
from nomul.sw.quantization_config import QuantizationConfig
from nomul.sw.steps import QuantizationError

__all__ = ["Built", "build_layers"]


class Built(NamedTuple):
    """Modules that compute with the hardware's integers, by their steps' names, and the grids of all tensors."""

    modules: dict[str, nn.Module]
    builder: LayerBuilder


def build_layers(lowered: Lowered, images: torch.Tensor, config: QuantizationConfig) -> Built:
    """Builds the integer layers of all steps, in their order.

    Parameters
    ----------
    images : torch.Tensor (N, C, H, W)
        For calibration.

    Raises
    ------
    QuantizationError
        For what the hardware does not have; names the layer, and the line of the model's forward.
    """
    graph = lowered.graph
    config.check_names(step.name for step in graph.steps)
    samples = record(lowered.floats, images)
    builder = LayerBuilder(config, images.numpy(), graph.grids())
    modules = {}
    for step in graph.steps:
        try:
            modules[step.name] = builder.build(step, samples[step.name], last=step is graph.steps[-1])
        except QuantizationError as error:
            raise QuantizationError(f"{error}{step.line}") from None
    return Built(modules, builder)
