"""Runs an integer network by the contract's own functions, in NumPy: slow, plain, and independent of PyTorch."""

import numpy as np

from nomul.sw import contract
from nomul.sw.network import Add, ArrayLayer, AveragePool, IntegerNetwork, Layer, MaxPool

__all__ = ["layer_output", "trace"]


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
                                           [network.tensors[name].zero_point for name in layer.inputs])
    last = network.layers[-1].name
    return {name: value.astype(np.int16 if name == last else np.uint8) for name, value in tensors.items()}


def layer_output(layer: Layer, inputs: list[np.ndarray], zero_points: list[int]) -> np.ndarray:
    """Output codes of one layer.

    Parameters
    ----------
    inputs : list of np.ndarray
        Codes of each tensor that it reads, shape (N, C, H, W).
    zero_points : list of int
        Theirs.

    Returns
    -------
    np.ndarray
        int64, shape (N, channels, height, width).
    """
    if isinstance(layer, ArrayLayer):
        return _array(layer, inputs[0], zero_points[0])
    if isinstance(layer, Add):
        return contract.residual(inputs[0], inputs[1], (zero_points[0], zero_points[1]), layer.left_shifts,
                                 layer.shift, layer.output.zero_point, layer.lower, layer.upper)
    pool = {MaxPool: contract.maximum, AveragePool: contract.average}[type(layer)]
    windows = _windows(inputs[0], layer.kernel, layer.stride)
    return pool(windows.reshape(*windows.shape[:4], -1))


def _array(layer: ArrayLayer, codes: np.ndarray, zero_point: int) -> np.ndarray:
    around = (layer.padding, layer.padding)
    repeated = np.tile(codes, (1, layer.terms, 1, 1))
    padded = np.pad(repeated, ((0, 0), (0, 0), around, around), constant_values=zero_point)
    windows = _windows(padded, layer.weight.shape[2:], layer.stride).transpose(0, 2, 3, 1, 4, 5)
    taps = windows.reshape(*windows.shape[:3], -1)
    acc = np.stack([contract.accumulate(layer.operator, taps, weight.reshape(1, -1), bias[None])[..., 0]
                    for weight, bias in zip(layer.weight, layer.bias, strict=True)], axis=-1)
    outputs = contract.requantize(acc, layer.multiplier, layer.shift, layer.output.zero_point, layer.lower,
                                  layer.upper)
    return outputs.transpose(0, 3, 1, 2)


def _windows(codes: np.ndarray, kernel: tuple[int, ...], stride: int) -> np.ndarray:
    """Shape (N, C, rows, columns, kernel height, kernel width)."""
    windows = np.lib.stride_tricks.sliding_window_view(codes, (kernel[0], kernel[1]), axis=(2, 3))
    return windows[:, :, ::stride, ::stride]
