"""Random array layers: operators, kernels, strides, paddings and terms; numbers that spread, or lie at their limits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator
from nomul.sw import contract
from nomul.sw.geometry import Geometry, Size
from nomul.sw.network import ArrayLayer, Tensor
from nomul.sw.reference import windows

__all__ = ["SMALL", "Bounds", "random_array_layer", "random_range"]

#: Taps of all samples that the spread of sums is estimated from.
_ESTIMATE = 1 << 19
_STRIDES = (1, 2, 3)
_DILATIONS = (1, 1, 1, 1, 1, 2, 3)
_EXTREME_STRIDES = (1, 1, 1, 2, 2, 3, 4, 5)
#: How many terms layers have; most have one.
_TERMS = (1, 1, 1, 2, 3)
_EXTREME_TERMS = (*_TERMS, *_TERMS, contract.MAX_TERMS)
#: Right shifts beyond which something changes: the smallest and the largest, and those around a multiplier's 16 bits.
_SHIFTS = (1, 2, 15, 16, 17, 39, contract.MAX_SHIFT)


@dataclass(frozen=True)
class Bounds:
    """How large the random networks may be; as it is, small enough for the slowest simulator.

    Attributes
    ----------
    channels, input_channels : int
        Most channels of a layer, and of the image.
    size : int
        Most rows and columns of the image; maps of one row, or one column, are up to twice as long.
    blocks : int
        Most layers before the last one; a residual block counts as one.
    kernel : int
        Largest side of a kernel.
    extreme : bool
        Whether weights, biases, multipliers, shifts and zero points may lie at their limits, and maps and graphs be
        unusual.
    """

    channels: int = 8
    input_channels: int = 5
    size: int = 6
    blocks: int = 4
    kernel: int = 5
    extreme: bool = False

    @classmethod
    def wide(cls, config: Config) -> "Bounds":
        """Beyond what fits into one pass of a configuration's array, with everything at its limits."""
        return cls(2 * config.columns + 1, 2 * config.lanes + 1, 12, 8, 7, True)

    def smaller(self) -> "Bounds":
        """A quarter less of everything, but at least 1 channel, 3 pixels, a block and a kernel of 3."""
        return Bounds(max(1, self.channels * 3 // 4), max(1, self.input_channels * 3 // 4),
                      max(3, self.size * 3 // 4), max(1, self.blocks * 3 // 4), max(3, self.kernel * 3 // 4),
                      self.extreme)


#: For every simulator.
SMALL = Bounds()


def random_array_layer(chance: np.random.Generator, config: Config, name: str, source: Tensor, source_name: str, *,
                       bounds: Bounds = SMALL,
                       samples: np.ndarray | None = None, operator: Operator | None = None,
                       channels: int | None = None, kernel: tuple[int, int] | None = None,
                       stride: Size | None = None, padding: Size | None = None, terms: int | None = None,
                       dilation: Size | None = None, groups: int | None = None, logits: bool = False) -> ArrayLayer:
    """An array layer with random weights; what is None is random.

    Parameters
    ----------
    chance : Generator
        Where randomness comes from.
    config : Config
        The layer has one of its operators.
    name, source_name : str
        The layer, and the tensor that it reads.
    source : Tensor
        That tensor.
    bounds : Bounds
        Of channels and kernel, and whether numbers may lie at their limits.
    samples : np.ndarray, optional
        Input codes, shape (N, C, H, W), for which the outputs should spread over their range; uniform ones by default.
    operator, channels, kernel, stride, padding, terms, dilation, groups
        As `ArrayLayer` and its weights have them; a kernel is cut to the padded map. By default some layers are
        dilated, and some have groups, as many as channels among them.
    logits : bool
        Whether outputs are signed 16-bit numbers instead of codes.
    """
    if operator is None:
        operators = [Operator.from_key(key) for key in config.operators]
        operators += [Operator.SIGN] if operators == [Operator.L1, Operator.SHIFT] else []
        operator = Operator(chance.choice(operators))
    if groups is None:
        groups = _random_groups(chance, config, operator, source.channels) if channels is None else 1
    channels = groups * int(chance.integers(1, -(-bounds.channels // groups) + 1)) if channels is None else channels
    height, width = _random_kernel(chance, bounds) if kernel is None else kernel
    padding = _random_pair(chance, range(bounds.kernel // 2 + 1)) if padding is None else padding
    stride = _random_pair(chance, _EXTREME_STRIDES if bounds.extreme else _STRIDES) if stride is None else stride
    dilation = _random_pair(chance, _DILATIONS) if dilation is None else dilation
    geometry = Geometry.of(stride, padding, dilation, groups)
    height, width = (min(taps, (size + 2 * around - 1) // spread + 1) for taps, size, around, spread in
                     zip((height, width), source.shape[1:], geometry.padding, geometry.dilation, strict=True))
    terms = int(chance.choice(_EXTREME_TERMS if bounds.extreme else _TERMS)) if terms is None else terms
    if samples is None:
        samples = chance.integers(0, 1 << config.activation_bits, (16, *source.shape))
    # All numbers at their limits at once, so that the widest sums meet the largest scale.
    limit = bounds.extreme and not chance.integers(6)
    weight = _random_weight(chance, config, operator, (channels, terms * source.channels // groups, height, width),
                            limit or (bounds.extreme and not chance.integers(3)), alike=limit)

    sums = _sample_sums(operator, weight, samples, source.zero_point, geometry, terms)
    spread = np.maximum(sums.std(axis=0), 1)
    bias = np.rint(chance.normal(0, 0.5, channels) * spread - sums.mean(axis=0)).astype(np.int64)
    if bounds.extreme:
        bias = _within_accumulators(chance, config, operator, weight, bias, groups, limit or not chance.integers(4))
    zero_point, lower, upper = (0, contract.LOGIT_LOWER, contract.LOGIT_UPPER) if logits else \
        random_range(chance, config, bounds.extreme)
    extreme_shifts = (contract.MULTIPLIER_BITS,) if limit else \
        _SHIFTS if bounds.extreme and not chance.integers(5) else ()
    multiplier, shift = _random_scale(chance, (upper - lower) / spread, extreme_shifts)
    output = Tensor(channels, *geometry.output_size(source.shape[1:], (height, width)), zero_point,
                    int(chance.integers(-6, 3)))
    return ArrayLayer(name, source_name, operator, weight.astype(np.int16), bias, multiplier.astype(np.int32), shift,
                      stride, padding, lower, upper, output, terms, dilation, groups)


def random_range(chance: np.random.Generator, config: Config, extreme: bool = False) -> tuple[int, int, int]:
    """Zero point, lower and upper of a ReLU (clipped or not), of a signed tensor, or, if `extreme`, of anything."""
    largest = (1 << config.activation_bits) - 1
    # Zero points that every configuration can also write as an L1 weight.
    largest_zero = min(largest, (1 << config.l1_weight_bits) - 1)
    if extreme and not chance.integers(4):
        zero_point = int(chance.choice([1, largest_zero, int(chance.integers(0, largest_zero + 1))]))
        return zero_point, int(chance.integers(0, zero_point + 1)), int(chance.integers(zero_point, largest + 1))
    if chance.integers(2):
        return 0, 0, int(chance.choice([largest, largest - largest // 4]))
    zero_point = min(1 << config.activation_bits - 1, largest_zero)
    return zero_point, int(chance.choice([0, zero_point])), largest


def _random_kernel(chance: np.random.Generator, bounds: Bounds) -> tuple[int, int]:
    """Any height and width, or, if `extreme`, often a square of an odd number, as real networks have them."""
    height, width = (int(size) for size in chance.integers(1, bounds.kernel + 1, 2))
    if bounds.extreme and chance.integers(2):
        height = width = int(chance.choice(range(1, bounds.kernel + 1, 2)))
    return height, width


def _random_scale(chance: np.random.Generator, wanted: np.ndarray,
                  extreme_shifts: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Multipliers and shift, whose scales are somewhat below those that are wanted; or at limits, with such a shift."""
    if extreme_shifts:
        shift = int(chance.choice(extreme_shifts))
        largest = (1 << min(contract.MULTIPLIER_BITS, shift)) - 1
        return chance.choice([-largest, largest, 0, 1], len(wanted)), shift
    scale = np.clip(chance.uniform(0.1, 0.6, len(wanted)) * wanted, 2.0**-contract.MAX_SHIFT, 0.99)
    largest_shift = 16 + int(np.floor(-np.log2(scale.max())))   # where the largest multiplier has 16 bits
    shift = int(chance.integers(8, min(largest_shift, contract.MAX_SHIFT) + 1))
    return np.maximum(scale * 2.0**shift, 1).astype(np.int32) * chance.choice([1, 1, -1], len(wanted)), shift


def _random_weight(chance: np.random.Generator, config: Config, operator: Operator, shape: tuple[int, ...],
                   extreme: bool, alike: bool) -> np.ndarray:
    """Any weights, or, if `extreme`, each at one of its ends; if `alike`, all of a channel at the same one."""
    exponents = config.shift_exponents if operator is Operator.SHIFT else 1
    if extreme:
        largest = 1 << exponents - 1
        ends = np.array([0, (1 << config.l1_weight_bits) - 1] if operator is Operator.L1 else [-largest, largest])
        same = alike or chance.integers(2)
        return np.broadcast_to(chance.choice(ends, (shape[0], 1, 1, 1) if same else shape), shape)
    if operator is Operator.L1:
        return chance.integers(0, 1 << config.l1_weight_bits, shape)
    if operator is Operator.SIGN and config.unified:
        return chance.choice([-1, 1], shape)
    return chance.choice([-1, 0, 1], shape) << chance.integers(0, exponents, shape)


def _random_pair(chance: np.random.Generator, values: Sequence[int]) -> Size:
    """Mostly one number for both directions."""
    first, second = (int(number) for number in chance.choice(values, 2))
    return first if chance.integers(4) else (first, second)


def _random_groups(chance: np.random.Generator, config: Config, operator: Operator, channels: int) -> int:
    """1, a divisor of the channels, or all of them."""
    if operator is Operator.L1 and config.l1_weight_bits < config.activation_bits:
        return 1
    return int(chance.choice([1, 1, channels, *(n for n in range(1, channels + 1) if channels % n == 0)]))


def _sample_sums(operator: Operator, weight: np.ndarray, samples: np.ndarray, zero_point: int, geometry: Geometry,
                 terms: int) -> np.ndarray:
    """Sums without bias, shape (number, channels), of some windows of the samples."""
    views = windows(samples, weight.shape[2:], geometry, zero_point).transpose(0, 2, 3, 1, 4, 5)
    groups = [np.tile(group, (1, 1, 1, terms, 1, 1)).reshape(-1, weight[0].size)
              for group in np.split(views, geometry.groups, axis=3)]
    some = slice(None, None, -(-groups[0].size // _ESTIMATE))
    return np.concatenate([contract.accumulate(operator, groups[n * len(groups) // len(weight)][some],
                                               channel.reshape(1, -1), np.zeros(1))
                           for n, channel in enumerate(weight)], axis=1)


def _within_accumulators(chance: np.random.Generator, config: Config, operator: Operator, weight: np.ndarray,
                         bias: np.ndarray, groups: int, extreme: bool) -> np.ndarray:
    """The biases as accumulators allow them; if `extreme`, some let an accumulator reach its very end."""
    smallest, largest = contract.accumulator_range(operator, weight, np.zeros_like(bias), config.activation_bits)
    # With groups the hardware may make the sums twice as large.
    end, allowed = 1 << config.accumulator_bits - (2 if groups > 1 else 1), (1 << contract.ACCUMULATOR_BITS - 1) - 1
    lowest, highest = np.maximum(-end - smallest, -allowed), np.minimum(end - 1 - largest, allowed)
    if (lowest > highest).any():    # the weights alone are too much
        return bias
    bias = np.clip(bias, lowest, highest)
    return np.choose(chance.integers(0, 3, len(bias)), [bias, lowest, highest]) if extreme else bias
