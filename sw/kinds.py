"""Kinds of layers that a network can be made of: what stands where others have a convolution or linear layer."""

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear, SignConv2d, SignLinear

__all__ = ["KINDS", "Kind", "Layers"]

#: Layers by the names that they have in the network, in order.
Layers = dict[str, nn.Module]


class Kind(NamedTuple):
    """Makes layers without bias, since a batch norm follows each.

    Attributes
    ----------
    convolution : callable
        (inputs, outputs, kernel, stride, mixing) to layers that keep the map's size but for the stride; `mixing` is
        the kernel of the L1 layer that follows a shift layer, where the kind has one.
    linear : callable
        (inputs, outputs) to layers.
    depthwise : callable
        (channels, kernel, stride) to a convolution of each channel by itself, which keeps the map's size but for the
        stride. Where the kind has shift and L1 layers, depthwise ones are shift layers: the L1 layers mix.
    """

    convolution: Callable[[int, int, int, int, int], Layers]
    linear: Callable[[int, int], Layers]
    depthwise: Callable[[int, int, int], Layers]


def _conv(inputs: int, outputs: int, kernel: int, stride: int, mixing: int, groups: int = 1) -> Layers:
    return {"conv": nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)}


def _adder(inputs: int, outputs: int, kernel: int, stride: int, mixing: int, groups: int = 1) -> Layers:
    return {"adder": L1Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)}


def _shift_q(inputs: int, outputs: int, kernel: int, stride: int, mixing: int, groups: int = 1) -> Layers:
    return {"shift": ShiftConv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)}


def _shift_ps(inputs: int, outputs: int, kernel: int, stride: int, mixing: int, groups: int = 1) -> Layers:
    return {"shift": ShiftConv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, form="ps")}


def _sign(inputs: int, outputs: int, kernel: int, stride: int, mixing: int, groups: int = 1) -> Layers:
    return {"sign": SignConv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)}


def _shiftadd(inputs: int, outputs: int, kernel: int, stride: int, mixing: int) -> Layers:
    return _shift_q(inputs, outputs, kernel, stride, mixing) | _adder(outputs, outputs, mixing, 1, 1)


def _shiftadd_frozen(inputs: int, outputs: int, kernel: int, stride: int, mixing: int) -> Layers:
    layers = _shiftadd(inputs, outputs, kernel, stride, mixing)
    layers["shift"].requires_grad_(False)
    return layers


def _shift_frozen(inputs: int, outputs: int, kernel: int, stride: int, mixing: int, groups: int = 1) -> Layers:
    layers = _shift_q(inputs, outputs, kernel, stride, mixing, groups)
    layers["shift"].requires_grad_(False)
    return layers


def _depthwise(convolution: Callable[..., Layers]) -> Callable[[int, int, int], Layers]:
    return lambda channels, kernel, stride: convolution(channels, channels, kernel, stride, 1, channels)


#: All kinds. Only "conv" multiplies: it is what the others are compared with. "shiftadd" is ShiftAddNet; in its frozen
#: variant the shift layers stay as they were drawn, so that the classifier, whose inputs they would mix for good, is
#: an L1 layer alone.
KINDS = {
    "conv": Kind(_conv, lambda inputs, outputs: {"linear": nn.Linear(inputs, outputs, bias=False)}, _depthwise(_conv)),
    "adder": Kind(_adder, lambda inputs, outputs: {"adder": L1Linear(inputs, outputs)}, _depthwise(_adder)),
    "shift-q": Kind(_shift_q, lambda inputs, outputs: {"shift": ShiftLinear(inputs, outputs)}, _depthwise(_shift_q)),
    "shift-ps": Kind(_shift_ps, lambda inputs, outputs: {"shift": ShiftLinear(inputs, outputs, form="ps")},
                     _depthwise(_shift_ps)),
    "shiftadd": Kind(_shiftadd, lambda inputs, outputs: {"shift": ShiftLinear(inputs, outputs),
                                                         "adder": L1Linear(outputs, outputs)}, _depthwise(_shift_q)),
    "shiftadd-frozen": Kind(_shiftadd_frozen, lambda inputs, outputs: {"adder": L1Linear(inputs, outputs)},
                            _depthwise(_shift_frozen)),
    "sign": Kind(_sign, lambda inputs, outputs: {"sign": SignLinear(inputs, outputs)}, _depthwise(_sign)),
}
