"""Integer layers from trained ones: grids by the calibration's samples, weights as codes, batch norms folded."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.operators import Operator
from nomul.sw import contract
from nomul.sw.geometry import Size
from nomul.sw.layer_base import ConvolutionLayer, LinearLayer
from nomul.sw.layers import L1Conv2d, L1Linear, PowerSumConv2d, PowerSumLinear, SignConv2d, SignLinear
from nomul.sw.network import Add, ArrayLayer, AveragePool, Concat, Layer, MaxPool, Tensor, Upsample
from nomul.sw.quantization_config import QuantizationConfig
from nomul.sw.quantized import QuantizedAdd, QuantizedArray, QuantizedConcat, QuantizedPool, QuantizedUpsample
from nomul.sw.scales import Affine, Codes, best_exponent, covering_exponent, l1_codes, requantization, shift_codes
from nomul.sw.steps import (
    ArrayModule,
    AveragePooling,
    Concatenation,
    MaxPooling,
    QuantizationError,
    Step,
    Sum,
    Upsampling,
    Weighted,
)

__all__ = ["LayerBuilder"]


class LayerBuilder:
    """Makes the integer layers of a network's steps, one after the other, in their order.

    Parameters
    ----------
    config : QuantizationConfig
        The hardware's numbers.
    images : float array (N, C, H, W)
        Calibration images: they choose the input's grid.
    fixed : dict of str to Tensor
        Grids that tensors have already, by their names; the others' are chosen.

    Attributes
    ----------
    grids : dict of str to Tensor
        Shape, step and zero point of every tensor so far.
    largest : dict of str to int
        Largest code of every tensor so far.
    """

    def __init__(self, config: QuantizationConfig, images: np.ndarray, fixed: Mapping[str, Tensor]):
        self.config = config
        self._fixed = fixed
        self.largest = {"input": config.largest_code("input")}
        self.grids = {"input": self._grid("input", images)}

    def build(self, step: Step, sample: np.ndarray, *, last: bool) -> nn.Module:
        """The module that computes what the hardware does for a step.

        Parameters
        ----------
        step : Step
            Its inputs have been built.
        sample : float array
            The step's tensor for the calibration images.
        last : bool
            Whether it makes the logits.

        Raises
        ------
        QuantizationError
            For what the hardware does not have; names the layer.
        """
        if sample.ndim not in (2, 4):
            raise QuantizationError(f"layer {step.name!r}: its output must be (N, C, H, W) or (N, C), not "
                                    f"{sample.ndim}-dimensional; flatten with start_dim=1")
        if not np.isfinite(sample).all():
            raise QuantizationError(f"layer {step.name!r}: its outputs are not finite; train the model again, with a "
                                    f"lower learning rate")
        sources = [self.grids[name] for name in step.inputs]
        keeps = isinstance(step.operation, MaxPooling | AveragePooling | Upsampling)
        self.largest[step.name] = self.largest[step.inputs[0]] if keeps else self.config.largest_code(step.name)
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
        match step.operation:
            case Weighted():
                array = self._array(step, step.operation, sources[0], sample, last)
                return array, QuantizedArray(array, sources[0])
            case Sum():
                add = self._add(step, sources, sample)
                return add, QuantizedAdd(add, (sources[0], sources[1]))
            case MaxPooling() | AveragePooling():
                pool = _pool(step, step.operation, sources[0])
                pool.check(sources, 0, self.largest[step.name])
                return pool, QuantizedPool(pool)
            case Concatenation():
                concat = Concat(step.name, step.inputs, self._grid(step.name, sample))
                concat.check(sources, 0, self.largest[step.name])
                return concat, QuantizedConcat(concat, sources, self.largest[step.name])
            case Upsampling(factor) if factor == (2, 2):
                upsample = Upsample(step.name, step.inputs[0], replace(sources[0], height=2 * sources[0].height,
                                                                       width=2 * sources[0].width))
                return upsample, QuantizedUpsample(upsample)
            case Upsampling(factor):
                raise QuantizationError(f"layer {step.name!r}: upsampling must be by 2 both ways, not by {factor}")
            case other:
                raise QuantizationError(f"layer {step.name!r}: the hardware has no {other.noun}")

    def _grid(self, name: str, sample: np.ndarray, at_least: int | None = None) -> Tensor:
        """Unsigned for tensors without negative values, else with the zero point in the middle."""
        if name in self._fixed:
            fixed = self._fixed[name]
            return fixed if at_least is None else replace(fixed, exponent=max(fixed.exponent, at_least))
        largest = self.largest[name]
        zero_point = 0 if sample.min() >= 0 else (largest + 1) // 2
        exponent = best_exponent(sample, zero_point, largest, at_least)
        return Tensor(*_map_shape(sample), zero_point=zero_point, exponent=exponent)

    def _array(self, step: Step, operation: Weighted, source: Tensor, sample: np.ndarray, last: bool) -> ArrayLayer:
        layer = operation.layer
        stride, padding, dilation, groups = _geometry(layer)
        operator, codes = self._codes(step, layer, source)
        affine = _affine(operation.norm, len(codes.weight), layer.bias)
        terms = codes.weight.shape[1] * groups // source.channels
        if isinstance(layer, PowerSumConv2d | PowerSumLinear):
            scale = float(layer.power_sum().scale)
            affine = Affine(affine.scale * scale, affine.mean / scale, affine.offset)
        # The hardware scales by less than 1: the output's step must be coarse enough.
        at_least = int(np.frexp(np.abs(affine.scale).max())[1]) + codes.exponent
        if last:
            # Twice the range seen, for images that are not among the calibration's.
            covering = covering_exponent(2 * float(np.abs(sample).max()), contract.LOGIT_UPPER)
            output = Tensor(*_map_shape(sample), exponent=max(at_least, covering))
            lower, largest = 0 if step.relu else contract.LOGIT_LOWER, contract.LOGIT_UPPER
        else:
            output, lower, largest = self._grid(step.name, sample, at_least), 0, self.largest[step.name]
        scaled = requantization(codes, affine, output.exponent)
        return ArrayLayer(step.name, step.inputs[0], operator, codes.weight, scaled.bias, scaled.multiplier,
                          scaled.shift, stride, padding, lower, _upper(step, output, largest), output, terms, dilation,
                          groups)

    def _codes(self, step: Step, layer: ArrayModule, source: Tensor) -> tuple[Operator, Codes]:
        """A layer's operator, and its weights as integers (O, terms·C/groups, KH, KW)."""
        # A linear layer is a convolution with a kernel as large as the map.
        shape = layer.weight_shape[0], -1, *(layer.weight_shape[2:] or source.shape[1:])
        if isinstance(layer, L1Conv2d | L1Linear):
            largest = min(self.config.largest_weight(step.name), self.largest[step.inputs[0]])
            weight = layer.weight.detach().numpy().reshape(shape)
            return Operator.L1, l1_codes(weight, source.exponent, source.zero_point, largest)
        # A sum of powers of two is as many weights, all of one term's channels after the other's.
        real = layer.power_sum().terms.movedim(0, 1) if isinstance(layer, PowerSumConv2d | PowerSumLinear) \
            else layer.quantized_weight()
        is_sign = isinstance(layer, SignConv2d | SignLinear)
        exponents = 1 if is_sign else self.config.shift_exponents
        return (Operator.SIGN if is_sign else Operator.SHIFT,
                shift_codes(real.detach().numpy().reshape(shape), source.exponent, source.zero_point, exponents))

    def _add(self, step: Step, sources: list[Tensor], sample: np.ndarray) -> Add:
        finest = min(source.exponent for source in sources)
        output = self._grid(step.name, sample, finest)
        left = sources[0].exponent - finest, sources[1].exponent - finest
        add = Add(step.name, (step.inputs[0], step.inputs[1]), left, output.exponent - finest, 0,
                  _upper(step, output, self.largest[step.name]), output)
        add.check(sources, 0, self.largest[step.name])
        return add


def _upper(step: Step, output: Tensor, largest: int) -> int:
    """The largest code that a step makes: `largest`, or that of its ReLU's limit."""
    if math.isinf(step.limit):
        return largest
    return min(largest, output.zero_point + math.floor(math.ldexp(step.limit, -output.exponent) + 0.5))


def _map_shape(sample: np.ndarray) -> tuple[int, int, int]:
    channels, height, width = (*sample.shape[1:], 1, 1)[:3]
    return channels, height, width


def _geometry(layer: ConvolutionLayer | LinearLayer) -> tuple[Size, Size, Size, int]:
    """Stride, padding, dilation, groups; a linear layer's are those of a kernel as large as the map."""
    if isinstance(layer, LinearLayer):
        return 1, 0, 1, 1
    return layer.stride, layer.padding, layer.dilation, layer.groups


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


def _pool(step: Step, pooling: MaxPooling | AveragePooling, source: Tensor) -> MaxPool | AveragePool:
    if isinstance(pooling, MaxPooling) and pooling.dilation != (1, 1):
        raise QuantizationError(f"layer {step.name!r}: pooling must have dilation 1, not {pooling.dilation}")
    if isinstance(pooling, AveragePooling) and pooling.padding != (0, 0) and not pooling.count_padding:
        raise QuantizationError(f"layer {step.name!r}: an average's padding counts, so count_include_pad must be True")
    channels, height, width = step.shape
    output = Tensor(channels, height, width, source.zero_point, source.exponent)
    kind = MaxPool if isinstance(pooling, MaxPooling) else AveragePool
    return kind(step.name, step.inputs[0], pooling.kernel, pooling.stride, output, pooling.padding)
