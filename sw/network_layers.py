"""The layers of an integer network: typed records, each with the rules that make it computable exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.operators import Operator
from nomul.sw import contract

__all__ = ["Add", "ArrayLayer", "AveragePool", "Layer", "MaxPool", "NetworkError", "Tensor"]


class NetworkError(NomulError):
    """A network that breaks a rule of the integer contract; the message names layer and rule."""


def _require(condition: object, rule: str) -> None:
    if not condition:
        raise NetworkError(rule)


@dataclass(frozen=True)
class Tensor:
    """Shape and grid of an activation tensor: real value = (code - zero_point) · 2^exponent."""

    channels: int
    height: int
    width: int
    zero_point: int = 0
    exponent: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    def check(self, lower: int, upper: int) -> None:
        """Sizes are positive, and the zero point is a code that clamping to `lower`..`upper` leaves."""
        _require(min(self.shape) > 0, f"channels, height and width must be positive, not {self.shape}")
        _require(lower <= self.zero_point <= upper,
                 f"zero_point must lie within the outputs {lower} to {upper}, not {self.zero_point}")

    def same_grid(self, other: "Tensor") -> bool:
        """Whether equal codes mean equal values."""
        return (self.zero_point, self.exponent) == (other.zero_point, other.exponent)


@dataclass(frozen=True, eq=False)
class ArrayLayer:
    """Convolution, or linear layer (kernel as large as the map, no padding), on the processing array.

    Attributes
    ----------
    name, input : str
        The layer, which is also its output tensor's name, and the tensor that it reads.
    operator : Operator
        L1, SHIFT or SIGN.
    weight : np.ndarray
        int16, shape (O, terms·C, KH, KW). L1: codes on the input's grid; SHIFT: 0 or ±2^p; SIGN: -1, 0, 1.
    bias : np.ndarray
        int64, shape (O,); contains SHIFT's and SIGN's zero-point correction.
    multiplier : np.ndarray
        int32, shape (O,): |M| < 2^16 and |M| < 2^shift.
    shift : int
        1 to 40.
    stride, padding : int
        Both directions; padding on all four sides, with the input's zero point.
    lower, upper : int
        Bounds of the output codes; ReLU is lower = output.zero_point.
    output : Tensor
        Shape and grid of the result. The network's last layer has zero_point 0 and signed 16-bit outputs (logits).
    terms : int
        1 to 15: how often the input's channels are read, all in a row each time. So a weight that is a sum of powers of
        two is as many SHIFT weights.
    """

    kind: ClassVar[str] = "array"

    name: str
    input: str
    operator: Operator
    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: int
    stride: int
    padding: int
    lower: int
    upper: int
    output: Tensor
    terms: int = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless the layer maps `inputs` exactly; outputs must lie in `lower`..`upper`."""
        _require(self.weight.ndim == 4 and self.weight.size and self.weight.dtype == np.int16,
                 f"weight must be int16 of shape (outputs, inputs, height, width), "
                 f"not {self.weight.dtype} {self.weight.shape}")
        channels = len(self.weight)
        for key, dtype in (("bias", np.int64), ("multiplier", np.int32)):
            array = getattr(self, key)
            _require(array.dtype == dtype and array.shape == (channels,),
                     f"{key} must be {np.dtype(dtype)} of shape ({channels},), not {array.dtype} {array.shape}")
        _require(self.stride >= 1 and self.padding >= 0,
                 f"stride must be at least 1 and padding at least 0, not {self.stride} and {self.padding}")
        _require(1 <= self.terms <= contract.MAX_TERMS, f"terms must be 1 to {contract.MAX_TERMS}, not {self.terms}")
        times = f"{self.terms} times " if self.terms > 1 else ""
        _require(self.weight.shape[1] == self.terms * inputs[0].channels,
                 f"weight has {self.weight.shape[1]} input channels, tensor {self.input!r} has {times}"
                 f"{inputs[0].channels}")
        _check_map(inputs[0], (channels, *self.weight.shape[2:]), self.stride, self.padding, self.output)
        self._check_numbers(lower, upper)

    def _check_numbers(self, lower: int, upper: int) -> None:
        weight = self.weight.astype(np.int64)
        magnitude = np.abs(weight)
        allowed, rule = {
            Operator.L1: (weight >= 0, "not negative"),
            Operator.SHIFT: ((magnitude & (magnitude - 1)) == 0, "0 or ±2^p"),
            Operator.SIGN: (magnitude <= 1, "-1, 0 or 1"),
        }[self.operator]
        _require(allowed.all(), f"{self.operator.key} weights must be {rule}, not {weight[~allowed][:1]}")
        _require((np.abs(self.bias) < 1 << contract.ACCUMULATOR_BITS - 1).all(),
                 f"bias must be below 2^{contract.ACCUMULATOR_BITS - 1} in magnitude")
        _require(1 <= self.shift <= contract.MAX_SHIFT, f"shift must be 1 to {contract.MAX_SHIFT}, not {self.shift}")
        largest = int(np.abs(self.multiplier.astype(np.int64)).max())
        limit = 1 << min(contract.MULTIPLIER_BITS, self.shift)
        _require(largest < limit, f"multiplier must be below {limit} in magnitude (16 bits, and 2^shift), "
                                  f"not {largest}")
        _require(lower <= self.lower <= self.upper <= upper,
                 f"outputs must lie within {lower} to {upper}, not {self.lower} to {self.upper}")
        self.output.check(self.lower, self.upper)


@dataclass(frozen=True)
class _Pool:
    """Windows of `kernel` (height, width), without padding; the output keeps the input's grid."""

    name: str
    input: str
    kernel: tuple[int, int]
    stride: int
    output: Tensor

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless the layer maps `inputs` exactly."""
        source, = inputs
        _require(isinstance(self.kernel, tuple) and len(self.kernel) == 2 and min(self.kernel) >= 1,
                 f"kernel must be (height, width), not {self.kernel}")
        _require(self.stride >= 1, f"stride must be at least 1, not {self.stride}")
        _check_map(source, (source.channels, *self.kernel), self.stride, 0, self.output)
        _require(self.output.same_grid(source), "pooling keeps zero_point and exponent of its input")
        self.output.check(lower, upper)


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest code of each window of `kernel` (height, width); no padding."""

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True)
class AveragePool(_Pool):
    """The mean of each window of `kernel` (height, width), a power of two of codes; no padding.

    With a kernel as large as the map it is global average pooling.
    """

    kind: ClassVar[str] = "average_pool"

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless the layer maps `inputs` exactly, and counts a power of two of taps."""
        super().check(inputs, lower, upper)
        count = self.kernel[0] * self.kernel[1]
        _require(count & (count - 1) == 0, f"an average pool's window must have a power of two of taps, not {count}")


@dataclass(frozen=True)
class Add:
    """Residual add of two tensors of one shape: each aligned by a left shift, the sum shifted onto the output grid."""

    kind: ClassVar[str] = "add"

    name: str
    inputs: tuple[str, str]
    left_shifts: tuple[int, int]
    shift: int
    lower: int
    upper: int
    output: Tensor

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless shapes and grids agree; outputs must lie in `lower`..`upper`."""
        shapes = [tensor.shape for tensor in (*inputs, self.output)]
        _require(len(inputs) == 2 and len(set(shapes)) == 1, f"both inputs and the output must have one shape, "
                                                             f"not {shapes}")
        _require(all(0 <= left <= 15 for left in self.left_shifts) and 0 <= self.shift <= 31,
                 f"left_shifts must be 0 to 15 and shift 0 to 31, not {self.left_shifts} and {self.shift}")
        steps = [tensor.exponent - left for tensor, left in zip(inputs, self.left_shifts, strict=True)]
        _require(set(steps) == {self.output.exponent - self.shift},
                 f"shifts must bring both inputs to one step: 2^{steps[0]}, 2^{steps[1]} and, before the right shift, "
                 f"2^{self.output.exponent - self.shift} differ")
        _require(lower <= self.lower <= self.upper <= upper,
                 f"outputs must lie within {lower} to {upper}, not {self.lower} to {self.upper}")
        self.output.check(self.lower, self.upper)


Layer = ArrayLayer | MaxPool | AveragePool | Add


def _check_map(source: Tensor, kernel: tuple[int, int, int], stride: int, padding: int, output: Tensor) -> None:
    channels, height, width = kernel
    expected = (channels, contract.output_size(source.height, height, stride, padding),
                contract.output_size(source.width, width, stride, padding))
    _require(min(expected) > 0, f"a {height}×{width} kernel does not fit into the {source.height}×{source.width} map "
                                f"with padding {padding}")
    _require(output.shape == expected, f"the output's shape must be {expected}, not {output.shape}")
