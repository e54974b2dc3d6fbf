"""From a trained ordinary network to one that shifts and adds: its layers exchanged, their weights rounded."""

import math
from collections.abc import Collection
from typing import Any

import torch
from torch import nn

from nomul.sw.geometry import LayerError, Size
from nomul.sw.layer_base import Layer
from nomul.sw.power_sum_layers import PowerSumConv2d, PowerSumLayer, PowerSumLinear
from nomul.sw.shift_layers import ShiftConv2d, ShiftLayer, ShiftLinear

__all__ = ["convert_"]

_KINDS: dict[str, tuple[type[ShiftConv2d | PowerSumConv2d], type[ShiftLinear | PowerSumLinear], dict[str, Any]]] = {
    "shift-q": (ShiftConv2d, ShiftLinear, {"form": "q"}),
    "shift-ps": (ShiftConv2d, ShiftLinear, {"form": "ps"}),
    "power-sum": (PowerSumConv2d, PowerSumLinear, {}),
}


def convert_(model: nn.Module, kind: str = "shift-q", *, keep: Collection[str] = (), **options: Any) -> nn.Module:
    """Replaces every `Conv2d` and `Linear` of a trained model, first and last included, and returns the model.

    A new layer computes with the old one's weights, rounded to its levels, and with its bias. The latent weights are
    the old ones unrounded, so that fine-tuning goes on from where training stopped. What is not such a layer stays.

    Parameters
    ----------
    model : nn.Module
        Changed in place; a layer that occurs several times stays one layer.
    kind : str
        "shift-q", "shift-ps" (DeepShift) or "power-sum".
    keep : collection of str
        Paths of layers that stay as they are.
    options
        Of the new layers: see `ShiftOptions` and `PowerSumOptions`. Without `max_exponent`, every shift layer gets
        the largest exponent that occurs in it, as it is the distance to the smallest that costs bits.

    Raises
    ------
    LayerError
        For an unknown kind or name, and for layers that cannot be converted. The model is then unchanged.
    """
    if kind not in _KINDS:
        raise LayerError(f"unknown kind {kind!r} of layers; known are {', '.join(_KINDS)}")
    modules = dict(model.named_modules(remove_duplicate=False))
    if missing := [name for name in keep if name not in modules]:
        raise LayerError(f"keep={missing[0]!r}: the model has no such module")
    if type(model) in (nn.Conv2d, nn.Linear):
        raise LayerError("the model is a single layer, which cannot be replaced in place: put it into nn.Sequential")
    replaced: dict[nn.Module, Layer] = {}
    for name, module in modules.items():
        if type(module) in (nn.Conv2d, nn.Linear) and name not in keep and module not in replaced:
            replaced[module] = _converted(name, module, kind, options)
    for name, module in modules.items():
        if module in replaced and name not in keep:
            model.set_submodule(name, replaced[module])
    return model


def _converted(name: str, module: nn.Module, kind: str, options: dict[str, Any]) -> ShiftLayer | PowerSumLayer:
    convolution, linear, chosen = _KINDS[kind]
    chosen = chosen | options
    assert isinstance(module, nn.Conv2d | nn.Linear)
    if kind != "power-sum" and "max_exponent" not in chosen:
        largest = float(module.weight.detach().abs().max())
        chosen["max_exponent"] = round(math.log2(largest)) if largest > 0 else 0
    layer: ShiftLayer | PowerSumLayer
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            raise LayerError(f"layer {name!r}: padding must be numbers of zeros, not padding={module.padding!r} with "
                             f"padding_mode={module.padding_mode!r}; keep the layer with keep=({name!r},)")
        layer = convolution(module.in_channels, module.out_channels, _one(module.kernel_size), _one(module.stride),
                            _one(module.padding), _one(module.dilation), module.groups, module.bias is not None,
                            **chosen)
    else:
        layer = linear(module.in_features, module.out_features, module.bias is not None, **chosen)
    layer.to(module.weight)
    layer.load_weight_(module.weight.detach())
    if layer.bias is not None and module.bias is not None:
        with torch.no_grad():
            layer.bias.copy_(module.bias)
    return layer.train(module.training)


def _one(pair: tuple[int, ...]) -> Size:
    """One number for both directions where they agree."""
    vertical, horizontal = pair
    return vertical if vertical == horizontal else (vertical, horizontal)
