"""Runs an integer network by the contract's own functions, in NumPy: slow, plain, and independent of PyTorch."""

import numpy as np

from nomul.sw import contract
from nomul.sw.geometry import Geometry
from nomul.sw.network import Add, ArrayLayer, Concat, IntegerNetwork, Layer, MaxPool, Tensor, Upsample

__all__ = ["layer_output", "trace", "windows"]


def trace(network: IntegerNetwork, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Every tensor of the network.

    Parameters
    ----------
    network : IntegerNetwork
        Checked.
    codes : np.ndarray
        uint8 input codes, shape (N, C, H, W).

    Returns
    -------
    dict of str to np.ndarray
        "input" and one tensor a layer, shape (N, channels, height, width): uint8 codes, the logits int16.
    """
    tensors = {"input": codes.astype(np.int64)}
    for layer in network.layers:
        tensors[layer.name] = layer_output(layer, [tensors[name] for name in layer.inputs],
                                           [network.tensors[name] for name in layer.inputs], network.largest_code)
    last = network.layers[-1].name
    return {name: value.astype(np.int16 if name == last else np.uint8) for name, value in tensors.items()}


def layer_output(layer: Layer, inputs: list[np.ndarray], grids: list[Tensor], largest: int) -> np.ndarray:
    """Output codes of one layer.

    Parameters
    ----------
    inputs : list of np.ndarray
        Codes of each tensor that it reads, shape (N, C, H, W).
    grids : list of Tensor
        Theirs.
    largest : int
        Largest activation code.

    Returns
    -------
    np.ndarray
        int64, shape (N, channels, height, width).
    """
    if isinstance(layer, ArrayLayer):
        return _array(layer, inputs[0], grids[0].zero_point)
    if isinstance(layer, Add):
        return contract.residual(inputs[0], inputs[1], (grids[0].zero_point, grids[1].zero_point), layer.left_shifts,
                                 layer.shift, layer.output.zero_point, layer.lower, layer.upper)
    if isinstance(layer, Concat):
        return np.concatenate([contract.rescale(codes, grid.zero_point, grid.exponent - layer.output.exponent,
                                                layer.output.zero_point, largest)
                               for codes, grid in zip(inputs, grids, strict=True)], axis=1)
    if isinstance(layer, Upsample):
        return inputs[0].repeat(2, axis=2).repeat(2, axis=3)
    maximum = isinstance(layer, MaxPool)
    views = windows(inputs[0], layer.kernel, layer.geometry, 0 if maximum else layer.output.zero_point)
    taps = views.reshape(*views.shape[:4], -1)
    return contract.maximum(taps) if maximum else contract.average(taps, layer.output.zero_point)


def _array(layer: ArrayLayer, codes: np.ndarray, zero_point: int) -> np.ndarray:
    views = windows(codes, layer.weight.shape[2:], layer.geometry, zero_point).transpose(0, 2, 3, 1, 4, 5)
    # The channels of each output's group, all of one term's before the next one's.
    groups, each = np.split(views, layer.groups, axis=3), len(layer.weight) // layer.groups
    taps = [np.tile(group, (1, 1, 1, layer.terms, 1, 1)).reshape(*group.shape[:3], -1) for group in groups]
    acc = np.stack([contract.accumulate(layer.operator, taps[n // each], weight.reshape(1, -1), bias[None])[..., 0]
                    for n, (weight, bias) in enumerate(zip(layer.weight, layer.bias, strict=True))], axis=-1)
    outputs = contract.requantize(acc, layer.multiplier, layer.shift, layer.output.zero_point, layer.lower,
                                  layer.upper)
    return outputs.transpose(0, 3, 1, 2)


def windows(codes: np.ndarray, kernel: tuple[int, ...], geometry: Geometry, padding: int) -> np.ndarray:
    """Windows of codes (N, C, H, W), `padding` around: (N, C, rows, columns, kernel height, kernel width)."""
    around = [(size, size) for size in geometry.padding]
    padded = np.pad(codes, ((0, 0), (0, 0), *around), constant_values=padding)
    extent = tuple(spread * (taps - 1) + 1 for spread, taps in zip(geometry.dilation, kernel, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(2, 3))
    (down, across), (spread_down, spread_across) = geometry.stride, geometry.dilation
    return views[:, :, ::down, ::across, ::spread_down, ::spread_across]
