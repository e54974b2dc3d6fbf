"""Post-training quantization: from a trained model to one that computes with the hardware's integers."""

import types
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.operators import Operator
from nomul.sw import contract
from nomul.sw.layer_base import ConvolutionLayer, LinearLayer
from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear
from nomul.sw.network import Add, ArrayLayer, AveragePool, Layer, MaxPool, Tensor
from nomul.sw.quantized import QuantizedAdd, QuantizedArray, QuantizedInput, QuantizedPool
from nomul.sw.scales import (
    Affine,
    best_exponent,
    covering_exponent,
    l1_codes,
    requantization,
    shift_codes,
)
from nomul.sw.steps import QuantizationError, Step, trace_steps

__all__ = ["QuantizationConfig", "QuantizationError", "quantize_"]

@dataclass(frozen=True)
class QuantizationConfig:
    """What the hardware computes with; the fields mean the same as in `nomul.gen.spec.config.Config`.

    Attributes
    ----------
    activation_bits : int
        2 to 8.
    shift_exponents : int
        2, 4 or 8.
    l1_weight_bits : int
        2 to `activation_bits`. With fewer than `activation_bits` the clamp of L1 weights is not lossless any more.
    """

    activation_bits: int = 8
    shift_exponents: int = 8
    l1_weight_bits: int = 8

    def __post_init__(self) -> None:
        allowed = {"activation_bits": range(2, 9), "shift_exponents": (2, 4, 8),
                   "l1_weight_bits": range(2, self.activation_bits + 1)}
        for key, values in allowed.items():
            if getattr(self, key) not in values:
                raise QuantizationError(f"{key} must be one of {', '.join(map(str, values))}, "
                                        f"not {getattr(self, key)!r}")


def quantize_(model: nn.Module, calibration_images: torch.Tensor, config: QuantizationConfig) -> nn.Module:
    """Quantizes a trained model in place and returns it.

    Layers, poolings and sums are replaced by modules that compute exactly what the hardware does; `convert` takes
    the integers out. Every tensor gets a power-of-two step, chosen on the calibration images; L1 weights lie on the
    step of their layer's input; batch norms become multiplier, shift and bias.

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
    traced, steps = trace_steps(model)
    if calibration_images.ndim != 4 or not len(calibration_images):
        raise QuantizationError(f"calibration_images must have the shape (number, channels, height, width), "
                                f"not {tuple(calibration_images.shape)}")
    samples = _Recorder(traced, steps).record(calibration_images)
    builder = _Builder(config, calibration_images.numpy())
    modules = {step.name: builder.build(step, samples[step.name], last=step is steps[-1]) for step in steps}
    _install(model, traced.graph, steps, modules, QuantizedInput(builder.grids["input"], builder.largest))
    return model


class _Recorder(fx.Interpreter):
    """Runs the float model and keeps the tensor of every step."""

    def __init__(self, module: fx.GraphModule, steps: list[Step]):
        super().__init__(module)
        self.extra_traceback = False  # an error's first line is the error
        self.kept = {step.nodes[-1].name: step.name for step in steps}
        self.samples: dict[str, np.ndarray] = {}

    def record(self, images: torch.Tensor) -> dict[str, np.ndarray]:
        try:
            with torch.no_grad():
                self.run(images)
        except (RuntimeError, ValueError, IndexError) as error:
            raise QuantizationError(f"the model fails on calibration images of shape {tuple(images.shape)}: "
                                    f"{str(error).splitlines()[0]}") from None
        return self.samples

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.kept:
            self.samples[self.kept[n.name]] = value.numpy().copy()
        return value


class _Builder:
    """Makes the integer layer of one step after the other."""

    def __init__(self, config: QuantizationConfig, images: np.ndarray):
        self.config = config
        self.largest = (1 << config.activation_bits) - 1
        self.grids = {"input": self._grid(images)}

    def build(self, step: Step, sample: np.ndarray, *, last: bool) -> nn.Module:
        if sample.ndim not in (2, 4):
            raise QuantizationError(f"layer {step.name!r}: its output must be (N, C, H, W) or (N, C), not "
                                    f"{sample.ndim}-dimensional; flatten with start_dim=1")
        if not np.isfinite(sample).all():
            raise QuantizationError(f"layer {step.name!r}: its outputs are not finite; train the model again, with a "
                                    f"lower learning rate")
        sources = [self.grids[name] for name in step.inputs]
        try:
            layer, module = self._made(step, sources, sample, last)
        except QuantizationError:
            raise
        except NomulError as error:
            raise QuantizationError(f"layer {step.name!r}: {error}") from None
        self.grids[step.name] = layer.output
        return module

    def _made(self, step: Step, sources: list[Tensor], sample: np.ndarray,
              last: bool) -> tuple[Layer, nn.Module]:
        if step.module is None:
            add = self._add(step, sources, sample)
            return add, QuantizedAdd(add, (sources[0], sources[1]))
        if step.is_array:
            array = self._array(step, sources[0], sample, last)
            return array, QuantizedArray(array, sources[0])
        pool = _pool(step, sources[0], sample)
        pool.check(sources, 0, self.largest)
        return pool, QuantizedPool(pool)

    def _grid(self, sample: np.ndarray, at_least: int | None = None) -> Tensor:
        """Unsigned for tensors without negative values, else with the zero point in the middle."""
        zero_point = 0 if sample.min() >= 0 else (self.largest + 1) // 2
        exponent = best_exponent(sample, zero_point, self.largest, at_least)
        return Tensor(*_map_shape(sample), zero_point=zero_point, exponent=exponent)

    def _array(self, step: Step, source: Tensor, sample: np.ndarray, last: bool) -> ArrayLayer:
        layer = step.module
        assert isinstance(layer, L1Conv2d | L1Linear | ShiftConv2d | ShiftLinear)
        stride, padding = _window(step.name, layer)
        is_l1 = isinstance(layer, L1Conv2d | L1Linear)
        real = layer.weight if isinstance(layer, L1Conv2d | L1Linear) else layer.quantized_weight()
        weight = real.detach().numpy()
        if weight.ndim == 2:  # a linear layer is a convolution with a kernel as large as the map
            weight = weight.reshape(len(weight), *source.shape)
        codes = l1_codes(weight, source.exponent, source.zero_point, (1 << self.config.l1_weight_bits) - 1) if is_l1 \
            else shift_codes(weight, source.exponent, source.zero_point, self.config.shift_exponents)
        affine = _affine(step.norm, len(weight), layer.bias)
        # The hardware scales by less than 1: the output's step must be coarse enough.
        at_least = int(np.frexp(np.abs(affine.scale).max())[1]) + codes.exponent
        if last:
            # Twice the range seen, for images that are not among the calibration's.
            covering = covering_exponent(2 * float(np.abs(sample).max()), contract.LOGIT_UPPER)
            output = Tensor(*_map_shape(sample), exponent=max(at_least, covering))
            lower, upper = 0 if step.relu else contract.LOGIT_LOWER, contract.LOGIT_UPPER
        else:
            output, lower, upper = self._grid(sample, at_least), 0, self.largest
        scaled = requantization(codes, affine, output.exponent)
        return ArrayLayer(step.name, step.inputs[0], Operator.L1 if is_l1 else Operator.SHIFT, codes.weight,
                          scaled.bias, scaled.multiplier, scaled.shift, stride, padding, lower, upper,
                          output)

    def _add(self, step: Step, sources: list[Tensor], sample: np.ndarray) -> Add:
        finest = min(source.exponent for source in sources)
        output = self._grid(sample, finest)
        left = sources[0].exponent - finest, sources[1].exponent - finest
        add = Add(step.name, (step.inputs[0], step.inputs[1]), left, output.exponent - finest, 0, self.largest, output)
        add.check(sources, 0, self.largest)
        return add


def _map_shape(sample: np.ndarray) -> tuple[int, int, int]:
    channels, height, width = (*sample.shape[1:], 1, 1)[:3]
    return channels, height, width


def _window(name: str, layer: ConvolutionLayer | LinearLayer) -> tuple[int, int]:
    """Stride and padding; a linear layer's are those of a kernel as large as the map."""
    if isinstance(layer, LinearLayer):
        return 1, 0
    if layer.groups != 1 or layer.dilation != 1 or not (isinstance(layer.stride, int) and
                                                        isinstance(layer.padding, int)):
        raise QuantizationError(f"layer {name!r}: the hardware has neither groups nor dilation, and one stride and one "
                                f"padding for both directions")
    return layer.stride, layer.padding


def _affine(norm: nn.BatchNorm1d | nn.BatchNorm2d | None, channels: int, bias: torch.Tensor | None) -> Affine:
    added = np.zeros(channels) if bias is None else bias.detach().double().numpy()
    if norm is None:
        return Affine(np.ones(channels), -added, np.zeros(channels))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt().numpy()
    offset = np.zeros(channels)
    if norm.affine:
        scale, offset = scale * norm.weight.detach().double().numpy(), norm.bias.detach().double().numpy()
    return Affine(scale, norm.running_mean.double().numpy() - added, offset)


def _pool(step: Step, source: Tensor, sample: np.ndarray) -> MaxPool | AveragePool:
    pool = step.module
    output = Tensor(*_map_shape(sample), source.zero_point, source.exponent)
    if isinstance(pool, nn.AdaptiveAvgPool2d):
        if output.shape[1:] != (1, 1):
            raise QuantizationError(f"layer {step.name!r}: AdaptiveAvgPool2d must have the output size 1, "
                                    f"not {pool.output_size}")
        return AveragePool(step.name, step.inputs[0], source.shape[1:], 1, output)
    kernel, strides, paddings = (_pair(getattr(pool, key)) for key in ("kernel_size", "stride", "padding"))
    if paddings != (0, 0) or strides[0] != strides[1] or getattr(pool, "dilation", 1) not in (1, (1, 1)) \
            or pool.ceil_mode or getattr(pool, "divisor_override", None):  # type: ignore[union-attr]
        raise QuantizationError(f"layer {step.name!r}: pooling must have padding 0, one stride for both directions, "
                                f"dilation 1, and neither ceil_mode nor divisor_override")
    kind = MaxPool if isinstance(pool, nn.MaxPool2d) else AveragePool
    return kind(step.name, step.inputs[0], kernel, strides[0], output)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _install(model: nn.Module, graph: fx.Graph, steps: list[Step], modules: dict[str, nn.Module],
             quantized_input: QuantizedInput) -> None:
    """Puts the modules in place of what they quantize; what was fused becomes Identity or leaves the trace."""
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
    # The generated forward reaches its modules by their paths from `self`, so it runs as the model's own.
    model.forward = types.MethodType(type(fx.GraphModule(model, graph)).forward, model)
    model.quantized_graph = graph  # type: ignore[assignment]
