"""Random small integer networks for everybody's tests: all operators, strides, paddings, kernels, pools, residuals."""

import numpy as np

from nomul.gen.spec.operators import Operator
from nomul.sw import reference
from nomul.sw.compile import CompileError, compile_network
from nomul.sw.contract import accumulate, output_size
from nomul.sw.network import Add, ArrayLayer, AveragePool, IntegerNetwork, MaxPool, Tensor


def random_network(seed, config):
    """A valid network that `config` can run; the same for the same seed and configuration."""
    for attempt in range(200):
        network = _Builder(np.random.default_rng([seed, attempt]), config).network(f"random {seed}")
        try:
            compile_network(network, config)
        except CompileError:
            continue
        return network
    raise ValueError(f"no network fits configuration {config.name!r}: raise its memory sizes")


def random_codes(seed, network, number):
    """Random input codes, uint8 of shape (number, C, H, W), the extremes among them."""
    chance = np.random.default_rng([seed, 1])
    codes = chance.integers(0, 1 << network.activation_bits, (number, *network.input.shape))
    codes[0] = chance.choice([0, network.largest_code, network.input.zero_point], network.input.shape)
    return codes.astype(np.uint8)


def random_array_layer(chance, config, name, source, source_name, *, samples=None, operator=None, channels=None,
                       kernel=None, stride=None, padding=None, terms=None, logits=False):
    """An array layer with random weights; what is None is random.

    Its outputs spread over their range for inputs like `samples` (codes, shape (N, C, H, W); None: uniform ones).
    """
    if operator is None:
        operators = [Operator.from_key(key) for key in config.operators]
        operators += [Operator.SIGN] if operators == [Operator.L1, Operator.SHIFT] else []
        operator = Operator(chance.choice(operators))
    channels = int(chance.integers(1, 9)) if channels is None else channels
    kernel = tuple(int(size) for size in chance.integers(1, 6, 2)) if kernel is None else kernel
    padding = int(chance.integers(0, 3)) if padding is None else padding
    kernel = (min(kernel[0], source.height + 2 * padding), min(kernel[1], source.width + 2 * padding))
    stride = int(chance.integers(1, 4)) if stride is None else stride
    terms = int(chance.choice([1, 1, 1, 2, 3])) if terms is None else terms
    if samples is None:
        samples = chance.integers(0, 1 << config.activation_bits, (16, *source.shape))
    weight = _random_weight(chance, config, operator, (channels, terms * source.channels, *kernel))

    around = (padding, padding)
    repeated = np.tile(samples, (1, terms, 1, 1))
    padded = np.pad(repeated, ((0, 0), (0, 0), around, around), constant_values=source.zero_point)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]
    taps = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, weight[0].size)
    sums = accumulate(operator, taps, weight.reshape(channels, -1), np.zeros(channels))
    spread = np.maximum(sums.std(axis=0), 1)
    bias = np.rint(chance.normal(0, 0.5, channels) * spread - sums.mean(axis=0)).astype(np.int64)

    zero_point, lower, upper = (0, -(1 << 15), (1 << 15) - 1) if logits else _random_range(chance, config)
    scale = np.minimum(chance.uniform(0.1, 0.6, channels) * (upper - lower) / spread, 0.99)
    largest_shift = 16 + int(np.floor(-np.log2(scale.max())))   # where the largest multiplier has 16 bits
    shift = int(chance.integers(8, min(largest_shift, 40) + 1))
    multiplier = np.maximum(scale * 2.0**shift, 1).astype(np.int32) * chance.choice([1, 1, -1], channels)
    output = Tensor(channels, output_size(source.height, kernel[0], stride, padding),
                    output_size(source.width, kernel[1], stride, padding), zero_point, int(chance.integers(-6, 3)))
    return ArrayLayer(name, source_name, operator, weight.astype(np.int16), bias, multiplier.astype(np.int32), shift,
                      stride, padding, lower, upper, output, terms)


def _random_weight(chance, config, operator, shape):
    if operator is Operator.L1:
        return chance.integers(0, 1 << config.l1_weight_bits, shape)
    if operator is Operator.SIGN and config.unified:
        return chance.choice([-1, 1], shape)
    exponents = config.shift_exponents if operator is Operator.SHIFT else 1
    return chance.choice([-1, 0, 1], shape) << chance.integers(0, exponents, shape)


def _random_range(chance, config):
    """Zero point, lower and upper of a ReLU (clipped or not) or of a signed tensor."""
    largest = (1 << config.activation_bits) - 1
    if chance.integers(2):
        return 0, 0, int(chance.choice([largest, largest - largest // 4]))
    # A zero point that every configuration can also write as an L1 weight.
    zero_point = int(min(1 << config.activation_bits - 1, (1 << config.l1_weight_bits) - 1))
    return zero_point, int(chance.choice([0, zero_point])), largest


class _Builder:
    def __init__(self, chance, config):
        self.chance, self.config = chance, config
        self.layers = []

    def network(self, name):
        zero_point, _, _ = _random_range(self.chance, self.config)
        channels, height, width = (int(n) for n in self.chance.integers([1, 3, 3], [6, 7, 7]))
        self.tensors = {"input": Tensor(channels, height, width, zero_point, -4)}
        largest = (1 << self.config.activation_bits) - 1
        self.samples = {"input": self.chance.integers(0, largest + 1, (8, channels, height, width))}
        self.current = "input"
        for _ in range(int(self.chance.integers(1, 5))):
            self.chance.choice([self.convolution, self.convolution, self.max_pool, self.average_pool, self.residual])()
        self.linear()
        network = self.so_far(name)
        network.check()
        return network

    def so_far(self, name):
        return IntegerNetwork(name, self.config.activation_bits, self.tensors["input"], tuple(self.layers), {})

    def append(self, layer):
        self.layers.append(layer)
        self.tensors[layer.name] = layer.output
        self.samples[layer.name] = reference.trace(self.so_far("samples"), self.samples["input"])[layer.name]
        self.current = layer.name

    def name(self, kind):
        return f"{kind}{len(self.layers)}"

    def convolution(self, **fields):
        self.append(random_array_layer(self.chance, self.config, self.name("conv"), self.tensors[self.current],
                                       self.current, samples=self.samples[self.current], **fields))

    def linear(self):
        source = self.tensors[self.current]
        self.append(random_array_layer(self.chance, self.config, self.name("linear"), source, self.current,
                                       samples=self.samples[self.current], kernel=(source.height, source.width),
                                       stride=1, padding=0, logits=True))

    def max_pool(self):
        self.pool(MaxPool, [int(n) for n in self.chance.integers(1, 4, 2)])

    def average_pool(self):
        source = self.tensors[self.current]
        if self.chance.integers(2) and source.height * source.width in (1, 2, 4, 8, 16):
            self.pool(AveragePool, [source.height, source.width])   # the whole map
        else:
            self.pool(AveragePool, [int(n) for n in self.chance.choice([1, 2, 4], 2)])

    def pool(self, kind, kernel):
        source = self.tensors[self.current]
        if kernel[0] > source.height or kernel[1] > source.width:
            return
        stride = int(self.chance.integers(1, 4))
        output = Tensor(source.channels, output_size(source.height, kernel[0], stride),
                        output_size(source.width, kernel[1], stride), source.zero_point, source.exponent)
        self.append(kind(self.name("pool"), self.current, tuple(kernel), stride, output))

    def residual(self):
        """A convolution that keeps the shape, and its sum with what it read."""
        first, source = self.current, self.tensors[self.current]
        size = int(self.chance.choice([1, 3]))
        self.convolution(channels=source.channels, kernel=(size, size), stride=1, padding=size // 2)
        second = self.tensors[self.current]
        if second.shape != source.shape:    # a kernel clipped by a tiny map
            return
        step = min(source.exponent, second.exponent) - int(self.chance.integers(0, 2))
        shift = int(self.chance.integers(0, 4))
        zero_point, lower, upper = _random_range(self.chance, self.config)
        output = Tensor(*source.shape, zero_point, step + shift)
        self.append(Add(self.name("add"), (first, self.current), (source.exponent - step, second.exponent - step),
                        shift, lower, upper, output))
