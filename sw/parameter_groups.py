"""Parameters sorted by what they are, so that each kind can have its own optimizer settings."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nomul.sw.geometry import LayerError
from nomul.sw.l1_layers import L1Conv2d, L1Linear
from nomul.sw.layer_base import Layer
from nomul.sw.shift_layers import ShiftLayer

__all__ = ["GROUPS", "exponent_penalty", "parameter_groups"]

#: By the names of `parameter_groups`, what is in them.
GROUPS = {
    "l1": "weights of L1 layers, which start at N(0, 1) and need a far larger learning rate",
    "exponent": "latent exponents of PS layers: no weight decay, see `exponent_penalty`",
    "sign": "latent signs of PS layers: no weight decay",
    "latent": "latent weights of all other layers without multiplications",
    "other": "everything else: batch norms, biases, ordinary layers",
}


def parameter_groups(model: nn.Module, **settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups for a PyTorch optimizer, each of which also has a "name"; empty ones are left out.

    Parameters
    ----------
    model : nn.Module
        Parameters that need no gradient are left out.
    settings
        By the names of `GROUPS`, what the optimizer is to use instead of its own defaults: ``l1={"lr": 0.1}``.

    Raises
    ------
    LayerError
        For the name of a group that there is not.
    """
    if unknown := [name for name in settings if name not in GROUPS]:
        raise LayerError(f"unknown group {unknown[0]!r} of parameters; known are {', '.join(GROUPS)}")
    members: dict[str, list[nn.Parameter]] = {name: [] for name in GROUPS}
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            members[_group(model, path)].append(parameter)
    defaults: dict[str, dict[str, Any]] = {"exponent": {"weight_decay": 0.0}, "sign": {"weight_decay": 0.0}}
    return [{"params": parameters, "name": name, **defaults.get(name, {}), **settings.get(name, {})}
            for name, parameters in members.items() if parameters]


def _group(model: nn.Module, path: str) -> str:
    # A pruned layer's weight is its "parametrizations.weight.original".
    owner, _, name = path.replace("parametrizations.", "").removesuffix(".original").rpartition(".")
    module = model.get_submodule(owner)
    if isinstance(module, L1Conv2d | L1Linear):
        return "l1"
    if isinstance(module, ShiftLayer) and name in ("exponent", "sign"):
        return name
    return "latent" if isinstance(module, Layer) and name == "weight" else "other"


def exponent_penalty(model: nn.Module, weight_decay: float) -> Tensor:
    """``0.5·weight_decay·Σ (2^p)²`` over all latent exponents: DeepShift's weight decay of PS layers, for the loss."""
    squares = [layer.exponent.exp2().square().sum() for layer in model.modules()
               if isinstance(layer, ShiftLayer) and layer.form == "ps"]
    return 0.5 * weight_decay * torch.stack(squares).sum() if squares else torch.zeros(())
