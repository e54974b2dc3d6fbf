"""What went wrong in a training that diverged: the first layer with a value that is not finite."""

import re
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

__all__ = ["computed_culprit", "stored_culprit"]


def stored_culprit(model: nn.Module) -> str | None:
    """Names the first layer with a parameter or statistic that is not finite, and which one; None if all are."""
    if (found := _not_finite(model.state_dict().items())) is None:
        return None
    layer, _, value = found.rpartition(".")
    return f"layer {layer!r}: its {value} is not finite"


def computed_culprit(model: nn.Module, compute: Callable[[], object]) -> str | None:
    """Names the first layer whose output is not finite, and its parameter if that is the reason; None if all are.

    Parameters
    ----------
    model : nn.Module
        Its layers are watched.
    compute : callable
        Runs them, without gradients.
    """
    found: list[str] = []

    def look(name: str, module: nn.Module, output: object) -> None:
        if not found and isinstance(output, Tensor) and not torch.isfinite(output).all():
            culprit = _not_finite(module.named_parameters())
            found.append(f"layer {name!r}: its {culprit or 'output'} is not finite")

    hooks = [module.register_forward_hook(lambda module, _, output, name=name: look(name, module, output))
             for name, module in model.named_modules() if _is_layer(name, module)]
    try:
        with torch.no_grad():
            compute()
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def _is_layer(name: str, module: nn.Module) -> bool:
    """A pruned layer is one, too, and the masks within it are none."""
    return "parametrizations" not in name.split(".") and all(
        child == "parametrizations" for child, _ in module.named_children())


def _not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """Name of the first tensor that has a value which is not finite; of a pruned one, the name that it has else."""
    for name, tensor in tensors:
        if not torch.isfinite(tensor).all():
            return re.sub(r"\bparametrizations\.(\w+)\.original$", r"\1", name)
    return None
