"""Quantization: from a trained model to one that computes with the hardware's integers."""

import types

import torch
from torch import fx, nn

from nomul.sw.calibrate import record
from nomul.sw.integer_layers import LayerBuilder
from nomul.sw.on_grid import ActivationsOnGrid
from nomul.sw.quantization_config import LayerBits, QuantizationConfig
from nomul.sw.quantized import QuantizedInput
from nomul.sw.steps import QuantizationError, Step, trace_steps

__all__ = ["LayerBits", "QuantizationConfig", "QuantizationError", "quantize_"]


def quantize_(model: nn.Module, calibration_images: torch.Tensor, config: QuantizationConfig) -> nn.Module:
    """Quantizes a trained model in place and returns it.

    Layers, poolings and sums are replaced by modules that compute exactly what the hardware does; `convert` takes
    the integers out. Every tensor gets a power-of-two step, chosen on the calibration images or, by `fake_quantize`,
    before a training that knew of it; L1 weights lie on the step of their layer's input; batch norms become
    multiplier, shift and bias.

    Parameters
    ----------
    model : nn.Module
        On the CPU, (N, C, H, W) to (N, classes); see `QuantizationError`'s messages for what it may consist of.
    calibration_images : torch.Tensor (N, C, H, W)
        Some hundred images such as the model was trained with.
    config : QuantizationConfig
        The hardware's numbers.

    Raises
    ------
    QuantizationError
        For something that the hardware does not have; names the node. The model is then unchanged.
    """
    model.eval()
    traced, steps, grids = trace_steps(model)
    config.check_names(step.name for step in steps)
    samples = record(traced, steps, calibration_images)
    builder = LayerBuilder(config, calibration_images.numpy(), grids)
    modules = {step.name: builder.build(step, samples[step.name], last=step is steps[-1]) for step in steps}
    _install(model, traced.graph, steps, modules, QuantizedInput(builder.grids["input"], builder.largest["input"]))
    return model


def _install(model: nn.Module, graph: fx.Graph, steps: list[Step], modules: dict[str, nn.Module],
             quantized_input: QuantizedInput) -> None:
    """Puts the modules in place of what they quantize; what was fused becomes Identity or leaves the trace."""
    for node in list(graph.nodes):
        if node.op == "call_module" and isinstance(model.get_submodule(str(node.target)), ActivationsOnGrid):
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.erase_node(node)
            delattr(model, str(node.target))
    image = next(iter(graph.nodes))
    model.add_module("quantized_input", quantized_input)
    with graph.inserting_after(image):
        rounded = graph.create_node("call_module", "quantized_input", (image,))
    image.replace_all_uses_with(rounded, lambda user: user is not rounded)
    for step in steps:
        first, *fused = step.nodes
        for node in fused:
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.erase_node(node)
            if node.op == "call_module":
                model.set_submodule(str(node.target), nn.Identity())
        if first.op == "call_module":
            model.set_submodule(step.name, modules[step.name])
        else:
            model.add_module(f"quantized_{step.name}", modules[step.name])
            first.op, first.target = "call_module", f"quantized_{step.name}"
    if isinstance(model, fx.GraphModule):
        model.graph = graph
    else:   # the generated forward reaches its modules by their paths from `self`, so it runs as the model's own
        model.forward = types.MethodType(type(fx.GraphModule(model, graph)).forward, model)
    model.quantized_graph = graph  # type: ignore[assignment]
