"""Random integer networks that a configuration can run: chains, branches and residuals of all layers that there are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nomul.cosim.random_layer import SMALL, Bounds, random_array_layer, random_range
from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.sw import reference
from nomul.sw.compile import CompileError, compile_network
from nomul.sw.geometry import Geometry
from nomul.sw.network import Add, ArrayLayer, AveragePool, Concat, IntegerNetwork, Layer, MaxPool, Tensor, Upsample

__all__ = ["RandomNetworkError", "random_codes", "random_network"]

_ATTEMPTS = 200
#: Attempts until the bounds become smaller.
_PATIENCE = 8
#: Largest shifts of a residual add: of an operand, and of the sum.
_LEFT_SHIFT, _SUM_SHIFT = 15, 31
#: Images for which outputs spread over their range.
_SAMPLES = 8


class RandomNetworkError(NomulError):
    """A configuration that is too small for any random network."""


def random_network(seed: int, config: Config, bounds: Bounds = SMALL) -> IntegerNetwork:
    """A network that `config` can run; the same for the same arguments.

    Parameters
    ----------
    seed : int
        Not negative.
    config : Config
        The accelerator. Networks that do not fit into it are thrown away, and the next ones become smaller.
    bounds : Bounds
        How large the first ones may be.

    Raises
    ------
    RandomNetworkError
        If none fits.
    """
    for attempt in range(_ATTEMPTS):
        if bounds.extreme and attempt and not attempt % _PATIENCE:
            bounds = bounds.smaller()
        network = _Builder(np.random.default_rng([seed, attempt]), config, bounds).network(f"random {seed}")
        try:
            compile_network(network, config)
        except CompileError:
            continue
        return network
    raise RandomNetworkError(f"no random network fits configuration {config.name!r}: raise its memory sizes")


def random_codes(seed: int, network: IntegerNetwork, number: int) -> np.ndarray:
    """Random input codes, uint8 of shape (number, C, H, W), the first image's 0, the largest or the zero point."""
    chance = np.random.default_rng([seed, 1])
    codes = chance.integers(0, 1 << network.activation_bits, (number, *network.input.shape))
    codes[0] = chance.choice([0, network.largest_code, network.input.zero_point], network.input.shape)
    return codes.astype(np.uint8)


class _Builder:
    """Appends random layers, each of which reads the one before, or an earlier one."""

    def __init__(self, chance: np.random.Generator, config: Config, bounds: Bounds):
        self.chance, self.config, self.bounds = chance, config, bounds
        self.layers: list[Layer] = []
        self.tensors: dict[str, Tensor] = {}
        self.samples: dict[str, np.ndarray] = {}
        self.current = "input"

    def network(self, name: str) -> IntegerNetwork:
        zero_point, _, _ = random_range(self.chance, self.config, self.bounds.extreme)
        ends = np.array([self.bounds.input_channels, self.bounds.size, self.bounds.size]) + 1
        channels, height, width = (int(n) for n in self.chance.integers([1, 3, 3], ends))
        if self.bounds.extreme and not self.chance.integers(5):
            height, width = [(1, 2 * width), (2 * height, 1), (1, 1)][self.chance.integers(3)]
        self.tensors["input"] = Tensor(channels, height, width, zero_point, -4)
        self.samples["input"] = self.chance.integers(0, 1 << self.config.activation_bits,
                                                     (_SAMPLES, channels, height, width))
        for _ in range(int(self.chance.integers(1, self.bounds.blocks + 1))):
            self.block()()
        self.linear()
        network = IntegerNetwork(name, self.config.activation_bits, self.tensors["input"], tuple(self.layers), {})
        network.check()
        return network

    def block(self) -> Callable[[], None]:
        blocks = [self.convolution, self.convolution, self.max_pool, self.average_pool, self.residual, self.concat,
                  self.upsample]
        if self.bounds.extreme:
            blocks += [self.residual, self.residual, self.branches, self.sum_of_two, self.depthwise]
        if not self.config.vector_sums:
            blocks = [block for block in blocks
                      if block not in (self.residual, self.concat, self.branches, self.sum_of_two)]
        return blocks[self.chance.choice(len(blocks))]

    def append(self, layer: Layer) -> None:
        self.layers.append(layer)
        self.samples[layer.name] = reference.layer_output(layer, [self.samples[name] for name in layer.inputs],
                                                          [self.tensors[name] for name in layer.inputs],
                                                          (1 << self.config.activation_bits) - 1)
        self.tensors[layer.name] = layer.output
        self.current = layer.name

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.layers)}"

    def array_layer(self, kind: str, channels: int | None = None, kernel: tuple[int, int] | None = None,
                    stride: int | None = None, padding: int | None = None, *, dilation: int | None = None,
                    groups: int | None = None, logits: bool = False) -> ArrayLayer:
        return random_array_layer(self.chance, self.config, self.name(kind), self.tensors[self.current], self.current,
                                  bounds=self.bounds, samples=self.samples[self.current], channels=channels,
                                  kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups,
                                  logits=logits)

    def convolution(self) -> None:
        self.append(self.array_layer("conv"))

    def linear(self) -> None:
        source = self.tensors[self.current]
        self.append(self.array_layer("linear", kernel=(source.height, source.width), stride=1, padding=0,
                                     dilation=1, groups=1, logits=True))

    def depthwise(self) -> None:
        """A convolution of each channel by itself, if the operator at hand can."""
        if self.config.l1_weight_bits == self.config.activation_bits:
            channels = self.tensors[self.current].channels
            self.append(self.array_layer("conv", channels, (3, 3), None, 1, dilation=1, groups=channels))

    def max_pool(self) -> None:
        self.pool(MaxPool, [int(n) for n in self.chance.integers(1, 4, 2)])

    def average_pool(self) -> None:
        source = self.tensors[self.current]
        if self.chance.integers(2) and source.height * source.width in (1, 2, 4, 8, 16):
            self.pool(AveragePool, [source.height, source.width])   # the whole map
        else:
            self.pool(AveragePool, [int(n) for n in self.chance.choice([1, 2, 2, 3, 4], 2)])

    def pool(self, kind: type[MaxPool] | type[AveragePool], kernel: list[int]) -> None:
        source = self.tensors[self.current]
        if kernel[0] > source.height or kernel[1] > source.width:
            return
        stride, padding = int(self.chance.integers(1, 4)), int(self.chance.integers(0, min(kernel) // 2 + 1))
        size = Geometry.of(stride, padding, 1, 1).output_size(source.shape[1:], kernel)
        output = Tensor(source.channels, *size, source.zero_point, source.exponent)
        self.append(kind(self.name("pool"), self.current, (kernel[0], kernel[1]), stride, output, padding))

    def upsample(self) -> None:
        source = self.tensors[self.current]
        if max(source.shape[1:]) <= self.bounds.size:
            output = replace(source, height=2 * source.height, width=2 * source.width)
            self.append(Upsample(self.name("upsample"), self.current, output))

    def concat(self) -> None:
        """Of the current tensor and one or two of its map's size, itself at times."""
        current = self.tensors[self.current]
        alike = [name for name, tensor in self.tensors.items() if tensor.shape[1:] == current.shape[1:]
                 and tensor.channels + current.channels <= 2 * self.bounds.channels]
        if not alike:
            return
        names = [str(name) for name in self.chance.permutation([self.current, *self.chance.choice(alike, 2)])]
        names = names[:int(self.chance.integers(2, 4))]
        grids = [self.tensors[name] for name in names]
        exponent = int(self.chance.integers(-2, 3)) + max(grid.exponent for grid in grids)
        zero_point, _, _ = random_range(self.chance, self.config, self.bounds.extreme)
        if all(-_LEFT_SHIFT <= exponent - grid.exponent <= _SUM_SHIFT for grid in grids):
            self.append(Concat(self.name("concat"), tuple(names), replace(
                current, channels=sum(grid.channels for grid in grids), zero_point=zero_point, exponent=exponent)))

    def residual(self) -> None:
        """A convolution that keeps the shape, and its sum with what it read."""
        first, source = self.current, self.tensors[self.current]
        size = int(self.chance.choice([1, 3]))
        self.append(self.array_layer("conv", source.channels, (size, size), 1, size // 2, dilation=1))
        self.add(first, self.current)

    def branches(self) -> None:
        """Two convolutions of one tensor, as where a residual network makes its map smaller, and their sum."""
        source, stride = self.current, int(self.chance.integers(1, 3))
        self.append(self.array_layer("conv", None, (3, 3), stride, 1, dilation=1))
        first, channels = self.current, self.tensors[self.current].channels
        self.current = source
        self.append(self.array_layer("conv", channels, (1, 1), stride, 0, dilation=1))
        self.add(*self.chance.permutation([first, self.current]).tolist())

    def sum_of_two(self) -> None:
        """The sum of the current tensor and any one of its shape, itself at times."""
        shape = self.tensors[self.current].shape
        alike = [name for name, tensor in self.tensors.items() if tensor.shape == shape]
        self.add(alike[self.chance.integers(len(alike))], self.current)

    def add(self, first: str, second: str) -> None:
        one, other = self.tensors[first], self.tensors[second]
        room = _LEFT_SHIFT - abs(one.exponent - other.exponent)
        # A tiny map may have clipped the kernel; and after many sums two tensors may be too far apart.
        if one.shape != other.shape or room < 0:
            return
        extreme = self.bounds.extreme and not self.chance.integers(3)
        finer = int(self.chance.integers(0, 1 + (room if extreme else min(room, 1))))
        shift = int(self.chance.integers(0, _SUM_SHIFT + 1 if extreme else 4))
        step = min(one.exponent, other.exponent) - finer
        zero_point, lower, upper = random_range(self.chance, self.config, self.bounds.extreme)
        self.append(Add(self.name("add"), (first, second), (one.exponent - step, other.exponent - step), shift, lower,
                        upper, Tensor(*one.shape, zero_point, step + shift)))
