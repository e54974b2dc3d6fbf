"""Known networks with random weights, and accelerators of any size whose memories fit them, to count cycles by.

Cycles depend on a network's shapes, not on its weights or accuracy: a trained network takes as many.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.sw.compile import compile_network, prove_accumulators
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.convert import convert
from nomul.sw.cycles import predict
from nomul.sw.kinds import KINDS
from nomul.sw.models import build
from nomul.sw.network import ArrayLayer, IntegerNetwork
from nomul.sw.quantize import QuantizationConfig, quantize_
from nomul.sw.recipe import Recipe

__all__ = ["BENCH_KINDS", "BENCH_NETWORKS", "BenchError", "check_names", "compile_fitting", "largest_config",
           "random_codes", "random_network"]

#: Shape (C, H, W) of the images that each network takes, as those of MNIST and CIFAR-10.
BENCH_NETWORKS = {"resnet20": (3, 32, 32), "lenet": (1, 28, 28), "vgg-small": (3, 32, 32), "mlp": (1, 28, 28),
                  "mobilenet": (3, 32, 32)}
#: Kinds of layers that the hardware has.
BENCH_KINDS = tuple(name for name in KINDS if name != "conv")

_CLASSES = 10
#: Enough for batch norms and steps to be of the size that they have in a trained network.
_IMAGES = 8
#: Rows that there may be, and the part of the cycles that more rows must save to be worth their area.
_REQUANTIZERS, _WORTH = (1, 2, 4, 8, 16), 0.01


class BenchError(NomulError):
    """A network or a kind of layers that is not measured."""


def check_names(name: str, kind: str) -> None:
    """Raises `BenchError`, which lists the known ones, for an unknown network or kind."""
    for what, value, known in (("network", name, BENCH_NETWORKS), ("kind", kind, BENCH_KINDS)):
        if value not in known:
            raise BenchError(f"unknown {what} {value!r}; known are {', '.join(known)}")


def random_network(name: str, kind: str, seed: int = 0) -> IntegerNetwork:
    """A network with random weights, quantized to 8 bits on random images; the same for the same seed.

    Its batch norms have the statistics of these images, so that activations spread over their range as in a trained
    network.

    Raises
    ------
    BenchError
        For an unknown network or kind.
    """
    check_names(name, kind)
    shape = BENCH_NETWORKS[name]
    model = build(Recipe(network=name, kind=kind), shape, _CLASSES, seed)
    images = torch.rand(_IMAGES, *shape, generator=torch.Generator().manual_seed(seed))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None      # the mean of all batches instead of one that forgets: of the only batch
    with torch.no_grad():
        model.train()(images)
    return convert(quantize_(model, images, QuantizationConfig()), name)


def random_codes(network: IntegerNetwork, images: int, seed: int = 0) -> np.ndarray:
    """Input codes, uint8 of shape (images, C, H, W), each as likely as any other."""
    chance = np.random.default_rng(seed)
    return chance.integers(0, network.largest_code + 1, (images, *network.input.shape), dtype=np.uint8)


def largest_config(name: str, lanes: int, columns: int, requantizers: int | None = None) -> Config:
    """The accelerator with the largest memories that there can be, and `requantizers` rows of them, if told.

    Raises
    ------
    ConfigError
        If there is none with so many lanes, columns or rows of requantizers.
    """
    return Config(name=f"{name} {lanes}×{columns}", lanes=lanes, columns=columns, operators=("l1", "shift", "sign"),
                  accumulator_bits=40, requantizers=1 if requantizers is None else requantizers, program_layers=1024,
                  weight_words=1 << 20, parameter_words=1 << 16, activation_words=1 << 19, image_bytes=1 << 20,
                  result_words=4096,
                  depthwise_l1=lanes == columns)


def compile_fitting(network: IntegerNetwork, largest: Config, *, choose_requantizers: bool = True) -> CompiledNetwork:
    """The network compiled for an accelerator that is no larger than it needs, which is the result's `config`.

    It is compiled for the largest accelerator first, to see how much of each memory it takes: the fitting memories have
    the next power of two of words. Operators and accumulators are what the layers need.

    Parameters
    ----------
    largest : Config
        Lanes, columns, and limits of the memories.
    choose_requantizers : bool
        Whether there are the fewest rows of requantizers, of 1, 2, 4, 8 and 16, that take at most 1 % more cycles than
        the best; otherwise there are those of `largest`.

    Raises
    ------
    CompileError
        If the largest memories cannot hold the network.
    """
    operators = _operators(network)
    compiled = compile_network(network, replace(largest, operators=operators,
                                                depthwise_l1=largest.depthwise_l1 and "l1" in operators))
    config = _fitted(network, compiled)
    if not choose_requantizers:
        return compile_network(network, config)
    choices = [compile_network(network, replace(config, requantizers=rows)) for rows in _REQUANTIZERS]
    cycles = [sum(layer.total for layer in predict(choice)) for choice in choices]
    return next(choice for choice, total in zip(choices, cycles, strict=True) if total <= (1 + _WORTH) * min(cycles))


def _operators(network: IntegerNetwork) -> tuple[str, ...]:
    return tuple({layer.operator.key for layer in network.layers if isinstance(layer, ArrayLayer)})


def _fitted(network: IntegerNetwork, compiled: CompiledNetwork) -> Config:
    activations = max(place["base"] + place["channel_words"] * place["height"] * place["width"]
                      for place in compiled.tensors.values())
    return replace(compiled.config, depthwise_l1=any(layer["own_lane"] for layer in compiled.descriptors()),
                   accumulator_bits=max(12, prove_accumulators(network, compiled.config)),
                   program_layers=_memory(len(compiled.program)), weight_words=_memory(len(compiled.weights)),
                   parameter_words=_memory(len(compiled.parameters)), activation_words=_memory(activations),
                   image_bytes=_memory(network.input.channels * network.input.height * network.input.width),
                   result_words=_memory(max(network.classes, compiled.config.columns)))


def _memory(words: int) -> int:
    """The next power of two, at least the smallest memory."""
    return 1 << (max(words, 4) - 1).bit_length()

