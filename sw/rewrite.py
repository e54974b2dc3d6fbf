"""Passes of the compiler from network to network: what the hardware lacks is expressed by what it has."""

from dataclasses import replace

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator
from nomul.sw import contract
from nomul.sw.geometry import Size
from nomul.sw.network import Add, ArrayLayer, AveragePool, Concat, IntegerNetwork, Layer, Tensor

__all__ = ["Segments", "align_sums", "average_by_array", "channel_segments"]

#: For each tensor its channels, in parts that begin a word each.
Segments = dict[str, tuple[int, ...]]


def average_by_array(network: IntegerNetwork, config: Config) -> IntegerNetwork:
    """The network without average pools but those over a power of two of taps, whose division is a shift.

    Others, and without `vector_sums` all, are depthwise layers that add up their taps and scale the sum by 1/taps, as
    `contract.average` does.
    """
    layers: list[Layer] = []
    for layer in network.layers:
        if isinstance(layer, AveragePool):
            multiplier, shift = contract.mean_scale(layer.kernel[0] * layer.kernel[1])
            if multiplier != 1 or not config.vector_sums:
                # A scale is below 1: half of twice the code.
                terms = 1 + (shift == 0)
                layer = _scaled_sums(layer.name, layer.input, layer.kernel, multiplier, max(shift, 1), layer.output,
                                     network.largest_code, config, layer.stride, layer.padding, terms)
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def align_sums(network: IntegerNetwork, config: Config) -> IntegerNetwork:
    """The network with both operands of every sum alike in memory: one with gaps between its channels is closed up.

    That is a depthwise layer of one tap, which copies; the name of its tensor ends with " closed".
    """
    layers: list[Layer] = []
    segments = _input_segments(network)     # as they are after this pass, which changes those of sums
    for layer in network.layers:
        if isinstance(layer, Add) and len({segments[name] for name in layer.inputs}) > 1:
            names = []
            for name in layer.inputs:
                source, closed = network.tensors[name], f"{name} closed"
                if len(segments[name]) > 1 and closed not in {done.name for done in layers}:
                    # A scale is below 1: half of twice the code.
                    layers.append(_scaled_sums(closed, name, (1, 1), 1, 1, source, network.largest_code, config,
                                               terms=2))
                names.append(closed if len(segments[name]) > 1 else name)
            layer = replace(layer, inputs=(names[0], names[1]))
            segments |= dict.fromkeys(names, (network.tensors[layer.name].channels,))
        layers.append(layer)
        segments[layer.name] = _layer_segments(layer, segments)
    return replace(network, layers=tuple(layers))


def channel_segments(network: IntegerNetwork) -> Segments:
    """How each tensor's channels lie in memory: array layers write them without gaps, a concatenation keeps gaps."""
    segments = _input_segments(network)
    for layer in network.layers:
        segments[layer.name] = _layer_segments(layer, segments)
    return segments


def _input_segments(network: IntegerNetwork) -> Segments:
    return {"input": (network.input.channels,)}


def _layer_segments(layer: Layer, segments: Segments) -> tuple[int, ...]:
    """Of a layer's output, from those of what it reads."""
    if isinstance(layer, ArrayLayer):
        return (layer.output.channels,)
    if isinstance(layer, Concat):
        return sum((segments[name] for name in layer.inputs), ())
    return segments[layer.inputs[0]]


def _scaled_sums(name: str, source: str, kernel: tuple[int, int], multiplier: int, shift: int, output: Tensor,
                 largest: int, config: Config, stride: Size = 1, padding: Size = 0,
                 terms: int = 1) -> ArrayLayer:
    """A depthwise layer: ``Σ (x - z) · multiplier / 2^shift + z`` of each channel's taps, on the grid of `output`."""
    operator = next(each for each in (Operator.SIGN, Operator.SHIFT, Operator.L1) if each.key in config.operators)
    channels, taps = output.channels, terms * kernel[0] * kernel[1]
    # -|x - 0| is -x.
    sign, weight = (-1, 0) if operator is Operator.L1 else (1, 1)
    return ArrayLayer(
        name, source, operator, np.full((channels, terms, *kernel), weight, np.int16),
        np.full(channels, -sign * taps * output.zero_point, np.int64), np.full(channels, sign * multiplier, np.int32),
        shift, stride, padding, 0, largest, output, terms, 1, channels)
