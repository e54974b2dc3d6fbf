"""Quantization-aware training: a network that computes with floats on the grids that its integers will have.

Activations are rounded after every step, and L1 weights to their input's grid. Batch norms stay as they are: their
multipliers of 16 bits lose next to nothing, and training brings their statistics up to date.
"""

from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from nomul.sw.calibrate import record
from nomul.sw.integer_layers import LayerBuilder
from nomul.sw.layers import L1Conv2d, L1Linear
from nomul.sw.on_grid import ActivationsOnGrid, WeightsOnGrid
from nomul.sw.quantization_config import QuantizationConfig
from nomul.sw.steps import QuantizationError, trace_steps

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
    model.eval()
    traced, steps, grids = trace_steps(model)
    if grids:
        raise QuantizationError("the model has rounding in between already: train it, or quantize it")
    config.check_names(step.name for step in steps)
    samples = record(traced, steps, calibration_images)
    builder = LayerBuilder(config, calibration_images.numpy(), grids)
    for step in steps:
        builder.build(step, samples[step.name], last=step is steps[-1])
    _round(traced, next(iter(traced.graph.nodes)), "input", builder)
    for step in steps[:-1]:     # the logits stay what they are
        _round(traced, step.nodes[-1], step.name, builder)
    for step in steps:
        if isinstance(step.module, L1Conv2d | L1Linear):
            largest = min(config.largest_weight(step.name), builder.largest[step.inputs[0]])
            rounding = WeightsOnGrid(builder.grids[step.inputs[0]], largest)
            parametrize.register_parametrization(step.module, "weight", rounding)
    traced.recompile()
    return traced


def _round(traced: fx.GraphModule, node: fx.Node, tensor: str, builder: LayerBuilder) -> None:
    """Rounds the value of `node` for all that use it."""
    name = f"{tensor}_on_grid".replace(".", "_")
    traced.add_submodule(name, ActivationsOnGrid(builder.grids[tensor], builder.largest[tensor]))
    with traced.graph.inserting_after(node):
        rounded = traced.graph.call_module(name, (node,))
    node.replace_all_uses_with(rounded, lambda user: user is not rounded)
