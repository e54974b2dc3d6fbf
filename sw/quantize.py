"""Quantization: from a trained model to one that computes with the hardware's integers."""

import types

import torch
from torch import fx, nn

from nomul.sw.build_layers import build_layers
from nomul.sw.calibrate import check_images
from nomul.sw.front_end import Tell, lower_model
from nomul.sw.quantization_config import LayerBits, QuantizationConfig
from nomul.sw.quantized import QuantizedInput
from nomul.sw.step_graph import build_graph
from nomul.sw.steps import INPUT, QuantizationError, StepGraph

__all__ = ["LayerBits", "QuantizationConfig", "QuantizationError", "quantize_"]


def quantize_(model: nn.Module, calibration_images: torch.Tensor, config: QuantizationConfig,
              tell: Tell = lambda name, text: None) -> nn.Module:
    """Quantizes a trained model in place and returns it.

    Layers, poolings and sums are replaced by modules that compute exactly what the hardware does; `convert` takes
    the integers out. Every tensor gets a power-of-two step, chosen on the calibration images or, by `fake_quantize`,
    before a training that knew of it; L1 weights lie on the step of their layer's input; batch norms become
    multiplier, shift and bias.

    Parameters
    ----------
    model : nn.Module
        On the CPU, (N, C, H, W) to (N, classes); see `QuantizationError`'s messages for what it may consist of. One
        that returns the best classes (argmax, topk) returns the logits, which they are of, when it is quantized.
    calibration_images : torch.Tensor (N, C, H, W)
        Some hundred images such as the model was trained with.
    config : QuantizationConfig
        The hardware's numbers.
    tell : function of (pass, text)
        Called after each pass with what it did.

    Raises
    ------
    QuantizationError
        For something that the hardware does not have; names the node and its line. The model is then unchanged.
    """
    if hasattr(model, "quantized_graph"):
        raise QuantizationError("the model is quantized already")
    check_images(calibration_images)
    model.eval()
    lowered = lower_model(model, calibration_images, tell)
    modules, builder = build_layers(lowered, calibration_images, config)
    tell("build_layers", f"{len(modules)} integer layers, calibrated on {len(calibration_images)} images")
    _install(model, lowered.graph, modules, QuantizedInput(builder.grids[INPUT], builder.largest[INPUT]))
    return model


def _install(model: nn.Module, steps: StepGraph, modules: dict[str, nn.Module],
             quantized_input: QuantizedInput) -> None:
    """Puts the modules in place of what they quantize; what they have in them becomes Identity."""
    for _, path, _ in steps.roundings():
        delattr(model.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2])
    model.add_module("quantized_input", quantized_input)
    paths = {}
    for step in steps.steps:
        for path in step.fused:
            model.set_submodule(path, nn.Identity())
        paths[step.name] = step.path or f"quantized_{step.name}".replace(".", "_")
        model.set_submodule(paths[step.name], modules[step.name])
    graph = build_graph(steps, lambda graph, image: graph.call_module("quantized_input", (image,)),
                        lambda graph, step, inputs: graph.call_module(paths[step.name], tuple(inputs)))
    if isinstance(model, fx.GraphModule):
        model.graph = graph
    else:   # the generated forward reaches its modules by their paths from `self`, so it runs as the model's own
        model.forward = types.MethodType(type(fx.GraphModule(model, graph)).forward, model)
    model.quantized_graph = graph  # type: ignore[assignment]
