"""The golden model: runs an integer network in PyTorch, batched, and exactly as the integer contract says.

Sums of integers are exact in float32 as long as they stay below 2^24, whatever their order; so each layer's bound is
computed from its weights, and decides the number type.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional

from nomul.gen.spec.operators import Operator
from nomul.sw.contract import accumulator_range
from nomul.sw.integer_ops import mean, requantized, rescaled, summed, windows
from nomul.sw.network import Add, ArrayLayer, Concat, IntegerNetwork, Layer, MaxPool, Tensor, Upsample

__all__ = ["run", "trace"]

#: Images computed at once: large enough for PyTorch to be fast, small enough for the caches.
_BATCH = 64


def run(network: IntegerNetwork, codes: np.ndarray, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Logits of images.

    Parameters
    ----------
    network : IntegerNetwork
        Checked.
    codes : np.ndarray
        uint8 input codes, shape (N, C, H, W).
    progress : callable, optional
        Called with (images done, images) after each batch.

    Returns
    -------
    np.ndarray
        int16, shape (N, classes).
    """
    last, logits = network.layers[-1].name, [np.zeros((0, network.classes), np.int16)]
    for tensors in _batches(network, codes):
        logits.append(tensors[last].numpy()[:, :, 0, 0].astype(np.int16))
        if progress is not None:
            progress(sum(map(len, logits)), len(codes))
    return np.concatenate(logits)


def trace(network: IntegerNetwork, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor: "input" and one a layer, shape (N, channels, height, width), uint8 codes, the logits int16."""
    last = network.layers[-1].name
    batches = [{name: tensor.numpy().astype(np.int16 if name == last else np.uint8)
                for name, tensor in tensors.items()} for tensors in _batches(network, codes)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in network.tensors}


def _batches(network: IntegerNetwork, codes: np.ndarray) -> Iterator[dict[str, torch.Tensor]]:
    """Every tensor (int32) of each batch of images."""
    grids = network.tensors
    for start in range(0, len(codes), _BATCH):
        tensors = {"input": torch.from_numpy(codes[start:start + _BATCH].astype(np.int32))}
        for layer in network.layers:
            tensors[layer.name] = _layer(layer, [tensors[name] for name in layer.inputs],
                                         [grids[name] for name in layer.inputs], network.activation_bits)
        yield tensors


def _layer(layer: Layer, inputs: list[torch.Tensor], grids: list[Tensor], activation_bits: int) -> torch.Tensor:
    if isinstance(layer, ArrayLayer):
        acc = _accumulate(layer, inputs[0], grids[0].zero_point, activation_bits)
        multiplier = torch.from_numpy(layer.multiplier.astype(np.int64))[:, None, None]
        return requantized(acc, multiplier, layer.shift, layer.output.zero_point, layer.lower,
                           layer.upper).to(torch.int32)
    if isinstance(layer, Add):
        return summed((inputs[0], inputs[1]), (grids[0].zero_point, grids[1].zero_point), layer.left_shifts,
                      layer.shift, layer.output.zero_point, layer.lower, layer.upper).to(torch.int32)
    if isinstance(layer, Concat):
        largest = (1 << activation_bits) - 1
        return torch.cat([rescaled(codes, grid.zero_point, grid.exponent - layer.output.exponent,
                                   layer.output.zero_point, largest)
                          for codes, grid in zip(inputs, grids, strict=True)], dim=1).to(torch.int32)
    if isinstance(layer, Upsample):
        return inputs[0].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    if isinstance(layer, MaxPool):
        return windows(inputs[0], layer.kernel, layer.geometry, 0).amax(dim=(4, 5))
    zero_point = layer.output.zero_point
    return mean(windows(inputs[0], layer.kernel, layer.geometry, zero_point), zero_point).to(torch.int32)


def _accumulate(layer: ArrayLayer, codes: torch.Tensor, zero_point: int, activation_bits: int) -> torch.Tensor:
    """``bias + Σ op``, int64."""
    stride, padding, dilation, groups = layer.geometry
    around = functional.pad(codes, (padding[1], padding[1], padding[0], padding[0]), value=zero_point)
    # The channels of each group, once a term.
    padded = around.unflatten(1, (groups, -1)).repeat(1, 1, layer.terms, 1, 1)
    smallest, largest = accumulator_range(layer.operator, np.abs(layer.weight), np.zeros_like(layer.bias),
                                          activation_bits)
    # All signs equal: a bound on every partial sum, in whatever order the terms are added.
    bound = int(max(np.abs(smallest).max(), np.abs(largest).max()))
    weight = torch.tensor(layer.weight)
    if layer.operator is Operator.L1:
        total = _l1(padded, weight, stride, dilation, torch.float32 if bound < 1 << 24 else torch.float64)
    else:
        dtype = torch.float32 if bound < 1 << 24 else torch.int32 if bound < 1 << 31 else torch.float64
        total = functional.conv2d(padded.flatten(1, 2).to(dtype), weight.to(dtype), None, stride, 0, dilation, groups)
    return total.to(torch.int64) + torch.tensor(layer.bias)[:, None, None]


def _l1(padded: torch.Tensor, weight: torch.Tensor, stride: tuple[int, int], dilation: tuple[int, int],
        dtype: torch.dtype) -> torch.Tensor:
    """``-Σ|x - w|`` by `cdist`, shape (N, channels, rows, columns), of codes (N, groups, channels, height, width)."""
    number, groups = padded.shape[:2]
    _, _, height, width = weight.shape
    (down, across), (spread_down, spread_across) = stride, dilation
    views = padded.unfold(3, spread_down * (height - 1) + 1, down).unfold(4, spread_across * (width - 1) + 1, across)
    views = views[..., ::spread_down, ::spread_across].permute(1, 0, 3, 4, 2, 5, 6)    # (group, N, row, column, ...)
    rows, columns = views.shape[2:4]
    taps = views.reshape(groups, number * rows * columns, -1).to(dtype)
    distance = torch.cdist(taps, weight.reshape(groups, len(weight) // groups, -1).to(dtype), p=1.0)
    return -distance.reshape(groups, number, rows, columns, -1).permute(1, 0, 4, 2, 3).flatten(1, 2)
