"""Quantization-aware training: a network that computes with floats on the grids that its integers will have.

Activations are rounded after every step, and L1 weights to their input's grid. Batch norms stay as they are: their
multipliers of 16 bits lose next to nothing, and training brings their statistics up to date.
"""

from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from nomul.sw.build_layers import build_layers
from nomul.sw.calibrate import check_images
from nomul.sw.front_end import lower_model
from nomul.sw.integer_layers import LayerBuilder
from nomul.sw.layers import L1Conv2d, L1Linear
from nomul.sw.on_grid import ActivationsOnGrid, WeightsOnGrid
from nomul.sw.quantization_config import QuantizationConfig
from nomul.sw.steps import QuantizationError, Weighted

__all__ = ["fake_quantize"]


def fake_quantize(model: nn.Module, calibration_images: Tensor, config: QuantizationConfig) -> fx.GraphModule:
    """The model with rounding in between: to be trained, and then given to `nomul.sw.quantize.quantize_`.

    Parameters
    ----------
    model : nn.Module
        Trained, and as `quantize_` wants it. The result has the same layers, so training the one trains the other.
    calibration_images : torch.Tensor (N, C, H, W)
        They choose the grids, which then stay as they are.
    config : QuantizationConfig
        The hardware's numbers.

    Raises
    ------
    QuantizationError
        As `quantize_`; the model is then unchanged.
    """
    check_images(calibration_images)
    model.eval()
    lowered = lower_model(model, calibration_images)
    if any(lowered.graph.roundings()):
        raise QuantizationError("the model has rounding in between already: train it, or quantize it")
    builder, floats = build_layers(lowered, calibration_images, config).builder, lowered.floats
    for name, node in list(floats.nodes.items())[:-1]:     # the logits stay what they are
        _round(floats.module, node, name, builder)
    for step in lowered.graph.steps:
        if isinstance(step.operation, Weighted) and isinstance(layer := step.operation.layer, L1Conv2d | L1Linear):
            largest = min(config.largest_weight(step.name), builder.largest[step.inputs[0]])
            rounding = WeightsOnGrid(builder.grids[step.inputs[0]], largest)
            parametrize.register_parametrization(layer, "weight", rounding)
    floats.module.recompile()
    return floats.module


def _round(traced: fx.GraphModule, node: fx.Node, tensor: str, builder: LayerBuilder) -> None:
    """Rounds the value of `node` for all that use it."""
    name = f"{tensor}_on_grid".replace(".", "_")
    traced.add_submodule(name, ActivationsOnGrid(builder.grids[tensor], builder.largest[tensor]))
    with traced.graph.inserting_after(node):
        rounded = traced.graph.call_module(name, (node,))
    node.replace_all_uses_with(rounded, lambda user: user is not rounded)
