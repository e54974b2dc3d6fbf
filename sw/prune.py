"""Pruning as in ShiftAddNet: some weights of shift or L1 layers are 0 and stay so while the others train.

A pruned tap of a shift layer does nothing. One of an L1 layer still adds ``-|x|``, the same for every output.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nomul.sw.geometry import LayerError
from nomul.sw.l1_layers import L1Conv2d, L1Linear
from nomul.sw.shift_layers import ShiftLayer

__all__ = ["make_permanent_", "prunable_layers", "prune_"]

_KINDS: dict[str, type | tuple[type, ...]] = {"shift": ShiftLayer, "l1": (L1Conv2d, L1Linear)}


class _Mask(nn.Module):
    """Zeros where the mask is 0; the gradient is then 0 as well."""

    mask: Tensor

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.mask

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


def prunable_layers(model: nn.Module, kinds: Collection[str] = ("shift", "l1")) -> dict[str, nn.Module]:
    """The layers that `prune_` would change, by name; `LayerError` if there are none, or for an unknown kind."""
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise LayerError(f"unknown kind {unknown[0]!r} of layers; known are {', '.join(_KINDS)}")
    layers = {name: module for name, module in model.named_modules()
              if any(isinstance(module, _KINDS[kind]) for kind in kinds)}
    if not layers:
        raise LayerError(f"there is nothing to prune: the network has no layers of kind {' or '.join(kinds)}")
    return layers


def prune_(model: nn.Module, fraction: float = 0.6, *, kinds: Collection[str] = ("shift", "l1"),
           method: str = "magnitude", generator: torch.Generator | None = None) -> nn.Module:
    """Makes part of the weights of each layer 0, for good, and returns the model.

    Parameters
    ----------
    model : nn.Module
        Changed in place: the pruned tensors become parametrized until `make_permanent_`.
    fraction : float
        Part of each layer's weights, 0 to 1, those that are 0 anyway included.
    kinds : collection of str
        "shift", "l1" or both.
    method : str
        "magnitude" takes the smallest weights of each layer, "random" any.
    generator : torch.Generator, optional
        For "random".

    Raises
    ------
    LayerError
        For arguments beyond these; if there is no such layer, or one is pruned already.
    """
    if not 0 <= fraction <= 1:
        raise LayerError(f"fraction must be 0 to 1, not {fraction}")
    if method not in ("magnitude", "random"):
        raise LayerError(f"method must be 'magnitude' or 'random', not {method!r}")
    chosen = prunable_layers(model, kinds)
    if pruned := [name for name, module in chosen.items() if parametrize.is_parametrized(module)]:
        raise LayerError(f"layer {pruned[0]!r} is pruned already: call make_permanent_(model) first")
    for module in chosen.values():
        score = _magnitude(module)
        if method == "random":
            score = torch.rand(score.shape, generator=generator).to(score)
        mask = torch.ones_like(score).flatten()
        mask[score.flatten().argsort(stable=True)[:round(fraction * score.numel())]] = 0
        parametrize.register_parametrization(module, "sign" if _is_ps(module) else "weight",
                                             _Mask(mask.reshape(score.shape)))
    return model


def make_permanent_(model: nn.Module) -> nn.Module:
    """Ends the pruning: zeros stay what they are, as ordinary weights, and the state dict has its old names."""
    for module in model.modules():
        if parametrize.is_parametrized(module):
            for name, masks in list(module.parametrizations.items()):  # type: ignore[union-attr, operator]
                if any(isinstance(mask, _Mask) for mask in masks):
                    parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return model


def _is_ps(module: nn.Module) -> bool:
    return isinstance(module, ShiftLayer) and module.form == "ps"


def _magnitude(module: nn.Module) -> Tensor:
    """Of the latent weights, which tells more than their few levels do."""
    if isinstance(module, ShiftLayer) and module.form == "ps":
        return torch.where(module.quantized_weight() == 0, 0.0, module.exponent.exp2()).detach()
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach().abs()
