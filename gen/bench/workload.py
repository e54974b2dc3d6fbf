"""What arrays compute when their energy is measured: activations and weights of a trained layer, in order.

Two networks of one shape learn the handwritten digits: one of L1 layers, which nomul quantizes, and an ordinary one of
convolutions, whose weights are rounded to what each array takes. The layer is the third, with 32 × 3 × 3 inputs and 32
outputs. The data come as in the accelerator: a tile of weights stays while the words of successive pixels go by.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nomul.gen.bench.pes import Size, configuration
from nomul.gen.spec.operators import Operator, encode
from nomul.gen.synth.cache import cache_folder, kept
from nomul.sw import golden
from nomul.sw.convert import convert
from nomul.sw.datasets import load_dataset
from nomul.sw.layers import L1Conv2d, L1Linear
from nomul.sw.network import ArrayLayer
from nomul.sw.quantize import QuantizationConfig, quantize_
from nomul.sw.train import Recipe, train

__all__ = ["Layer", "load_layer", "stimulus", "weights_of"]

_EPOCHS, _CALIBRATION_IMAGES, _IMAGES = 20, 1000, 4
#: Tiles of weights that are simulated side by side.
_STREAMS = 64
#: Words of a dot product of the layer with 16 lanes: accumulators are cleared as often.
_WORDS = 18

#: Arrays that take the L1 network's data; all others take the convolution's.
_L1 = ("l1", "unified", "textbook")


class Layer:
    """A trained layer in integers.

    Parameters
    ----------
    activations : np.ndarray
        Codes (pixels, inputs of a pixel).
    weights : np.ndarray
        L1: codes; a convolution: real numbers. (outputs, inputs of a pixel).
    """

    def __init__(self, activations: np.ndarray, weights: np.ndarray):
        self.activations, self.weights = activations, weights


def load_layer(l1: bool, activation_bits: int, weight_bits: int) -> Layer:
    """The layer of the L1 network, or of the convolutions; trained once, in seconds, and kept.

    Parameters
    ----------
    l1 : bool
        Which of the two.
    activation_bits, weight_bits : int
        Widths of activations and of L1 weights.
    """
    def make(folder: Path) -> None:
        images = load_dataset("digits")
        model = _network(L1Conv2d, L1Linear) if l1 else _network(nn.Conv2d, nn.Linear)
        train(model, images, Recipe(epochs=_EPOCHS))
        calibration, test = images.train_images[:_CALIBRATION_IMAGES], images.test_images[:_IMAGES]
        layer = _quantized(model, calibration, test, activation_bits, weight_bits) if l1 else \
            _convolution(model, test, activation_bits)
        np.savez(folder / "layer.npz", activations=layer.activations, weights=layer.weights)

    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    key = ["workload", source, torch.__version__, str(l1), str(activation_bits), str(weight_bits)]
    with np.load(kept(cache_folder(), key, make) / "layer.npz") as arrays:
        return Layer(arrays["activations"], arrays["weights"])


def weights_of(name: str, layer: Layer, size: Size) -> np.ndarray:
    """Integer weights as the array `name` takes them, from the layer's: (outputs, inputs of a pixel)."""
    if name in _L1:
        return layer.weights.astype(np.int64)
    real = layer.weights / np.abs(layer.weights).max()
    if name == "sign":
        return np.where(real < 0, -1, 1)
    if name in ("shift4", "shift8"):
        largest = configuration(name, "asic", size).shift_exponents - 1
        exponents = np.round(np.log2(np.maximum(np.abs(real), 1e-9))) + largest
        return np.where(exponents < 0, 0, np.sign(real) * 2.0 ** exponents).astype(np.int64)
    return np.round(real * ((1 << size.weight_bits - 1) - 1)).astype(np.int64)


def stimulus(name: str, array: Any, size: Size) -> dict[str, np.ndarray]:
    """Bits of every input of the array's harness.

    Parameters
    ----------
    name : str
        A key of `nomul.gen.bench.pes.PES`.
    array : wiring.Component
        That array.
    size : Size
        Its size.

    Returns
    -------
    dict of str to np.ndarray
        For each input but the clock (cycles, streams, width).
    """
    layer = load_layer(name in _L1, size.activation_bits, size.weight_bits)
    inputs = -(-layer.activations.shape[1] // size.lanes) * size.lanes
    activations = _padded(layer.activations, inputs).reshape(len(layer.activations), -1, size.lanes)
    weights = _padded(weights_of(name, layer, size), inputs).reshape(len(layer.weights), -1, size.lanes)
    if not hasattr(array, "encode"):                    # ours, which take complements
        activations = (1 << size.activation_bits) - 1 - activations
    groups = range(0, len(weights) - size.columns + 1, size.columns)
    tiles, words = [], []
    for stream in range(_STREAMS):
        word, group = stream % activations.shape[1], stream // activations.shape[1] % len(groups)
        columns = weights[groups[group]:, word][:size.columns]
        tiles.append(np.array([_codes(name, array, column, size) for column in columns]))
        words.append(activations[:, word])
    cycles = len(activations)
    codes = np.broadcast_to(np.stack(tiles), (cycles, _STREAMS, size.columns, size.lanes))
    first = np.broadcast_to((np.arange(cycles) % _WORDS == 0)[:, None, None], (cycles, _STREAMS, 1))
    return {"activations": _bits(np.stack(words, axis=1), size.activation_bits),
            "weights": _bits(codes, array.weight_bits), "first": first.astype(np.uint8),
            "rst": np.zeros((cycles, _STREAMS, 1), np.uint8)}


def _codes(name: str, array: Any, weights: np.ndarray, size: Size) -> np.ndarray:
    if hasattr(array, "encode"):
        return np.array(array.encode([int(weight) for weight in weights]))
    if name in _L1:
        return weights
    operator = Operator.SIGN if name == "sign" else Operator.SHIFT
    return encode(operator, weights, configuration(name, "asic", size)).astype(np.int64)


def _padded(values: np.ndarray, inputs: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, inputs - values.shape[1])))


def _bits(values: np.ndarray, width: int) -> np.ndarray:
    """Bits of words, lowest first: the first two dimensions stay, the others become one."""
    bits = values[..., None].astype(np.int64) >> np.arange(width) & 1
    return bits.reshape(*values.shape[:2], -1).astype(np.uint8)


def _network(convolution: Any, linear: Any) -> nn.Module:
    """Three convolution blocks and a classifier: the shape of the demo's network."""
    blocks: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for inputs, outputs, stride in ((1, 16, 1), (16, 32, 2), (32, 32, 1)):
            blocks += [convolution(inputs, outputs, 3, padding=1, stride=stride), nn.BatchNorm2d(outputs), nn.ReLU()]
        return nn.Sequential(*blocks, nn.MaxPool2d(2), nn.Flatten(), linear(128, 10), nn.BatchNorm1d(10))


def _quantized(model: nn.Module, images: torch.Tensor, test: torch.Tensor, activation_bits: int,
               weight_bits: int) -> Layer:
    """The third layer of the L1 network, as nomul quantizes it."""
    quantize_(model, images, QuantizationConfig(activation_bits=activation_bits, l1_weight_bits=weight_bits))
    network = convert(model, "bench")
    layer = [layer for layer in network.layers if isinstance(layer, ArrayLayer)][2]
    tensors = golden.trace(network, network.encode_images(test.numpy()))
    padded = np.pad(tensors[layer.input], ((0, 0), (0, 0), (1, 1), (1, 1)),
                    constant_values=network.tensors[layer.input].zero_point)
    return Layer(_columns(torch.from_numpy(padded.astype(np.float32))), _flat(layer.weight))


def _convolution(model: nn.Module, test: torch.Tensor, activation_bits: int) -> Layer:
    """The third layer of the ordinary network; its largest activation becomes the largest code."""
    model.eval()
    layers = list(model.children())
    with torch.no_grad():
        real = functional.pad(nn.Sequential(*layers[:6])(test), (1, 1, 1, 1))
    codes = torch.round(real / real.max() * ((1 << activation_bits) - 1))
    weight = layers[6].weight
    assert isinstance(weight, torch.Tensor)
    return Layer(_columns(codes), _flat(weight.detach().numpy()))


def _columns(padded: torch.Tensor) -> np.ndarray:
    """What each pixel of a 3 × 3 convolution sees: (pixels of all images, 9 · channels), channels fastest."""
    windows = padded.unfold(2, 3, 1).unfold(3, 3, 1)                    # image, channel, row, column, 3, 3
    return windows.permute(0, 2, 3, 4, 5, 1).reshape(-1, 9 * padded.shape[1]).numpy().astype(np.int64)


def _flat(weight: np.ndarray) -> np.ndarray:
    """Weights (outputs, channels, 3, 3) in the order of `_columns`."""
    return weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
