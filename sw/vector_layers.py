"""The layers of an integer network without weights: poolings, residual add, concatenation, upsampling."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from nomul.sw import contract
from nomul.sw.geometry import Geometry, Size
from nomul.sw.tensor import Tensor, check_map, require

__all__ = ["Add", "AveragePool", "Concat", "MaxPool", "Upsample"]


@dataclass(frozen=True)
class _Pool:
    """Windows of `kernel` (height, width); the output keeps the input's grid."""

    name: str
    input: str
    kernel: tuple[int, int]
    stride: Size
    output: Tensor
    padding: Size = 0

    @property
    def geometry(self) -> Geometry:
        """How the window moves; `LayerError` for what no pooling has."""
        return Geometry.of(self.stride, self.padding, 1, 1)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless the layer maps `inputs` exactly."""
        source, = inputs
        require(isinstance(self.kernel, tuple) and len(self.kernel) == 2 and min(self.kernel) >= 1,
                 f"kernel must be (height, width), not {self.kernel}")
        geometry = self.geometry
        require(all(2 * padding <= size for padding, size in zip(geometry.padding, self.kernel, strict=True)),
                 f"padding must be at most half of the kernel {self.kernel}, not {geometry.padding}")
        check_map(source, source.channels, self.kernel, geometry, self.output)
        require(self.output.same_grid(source), "pooling keeps zero_point and exponent of its input")
        self.output.check(lower, upper)


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest code of each window of `kernel` (height, width); padding never is."""

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True)
class AveragePool(_Pool):
    """The mean of each window of `kernel` (height, width); padding is the zero point, and counts.

    With a kernel as large as the map it is global average pooling.
    """

    kind: ClassVar[str] = "average_pool"


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
        require(len(inputs) == 2 and len(set(shapes)) == 1, f"both inputs and the output must have one shape, "
                                                             f"not {shapes}")
        require(all(0 <= left <= contract.MAX_LEFT_SHIFT for left in self.left_shifts)
                 and 0 <= self.shift <= contract.MAX_VECTOR_SHIFT,
                 f"left_shifts must be 0 to {contract.MAX_LEFT_SHIFT} and shift 0 to {contract.MAX_VECTOR_SHIFT}, "
                 f"not {self.left_shifts} and {self.shift}")
        steps = [tensor.exponent - left for tensor, left in zip(inputs, self.left_shifts, strict=True)]
        require(set(steps) == {self.output.exponent - self.shift},
                 f"shifts must bring both inputs to one step: 2^{steps[0]}, 2^{steps[1]} and, before the right shift, "
                 f"2^{self.output.exponent - self.shift} differ")
        require(lower <= self.lower <= self.upper <= upper,
                 f"outputs must lie within {lower} to {upper}, not {self.lower} to {self.upper}")
        self.output.check(self.lower, self.upper)


@dataclass(frozen=True)
class Concat:
    """Tensors behind each other along the channels, each brought to the output's grid."""

    kind: ClassVar[str] = "concat"

    name: str
    inputs: tuple[str, ...]
    output: Tensor

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless the inputs are as large as the output, and shifts bring them to its grid."""
        require(len(inputs) >= 2, f"a concatenation has two inputs or more, not {len(inputs)}")
        shapes = [tensor.shape for tensor in inputs]
        expected = (sum(tensor.channels for tensor in inputs), *shapes[0][1:])
        require(len({shape[1:] for shape in shapes}) == 1, f"the inputs' maps must have one size, not {shapes}")
        require(self.output.shape == expected, f"the output's shape must be {expected}, not {self.output.shape}")
        for name, tensor in zip(self.inputs, inputs, strict=True):
            steps = self.output.exponent - tensor.exponent
            require(-contract.MAX_LEFT_SHIFT <= steps <= contract.MAX_VECTOR_SHIFT,
                     f"the step of {name!r} must be 2^-{contract.MAX_LEFT_SHIFT} to 2^{contract.MAX_VECTOR_SHIFT} "
                     f"times finer than the output's, not 2^{steps}")
        self.output.check(lower, upper)


@dataclass(frozen=True)
class Upsample:
    """Every pixel twice in both directions: nearest-neighbour upsampling by 2; the output keeps the input's grid."""

    kind: ClassVar[str] = "upsample"

    name: str
    input: str
    output: Tensor

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless the output's map is twice as high and wide, on the input's grid."""
        source, = inputs
        expected = (source.channels, 2 * source.height, 2 * source.width)
        require(self.output.shape == expected, f"the output's shape must be {expected}, not {self.output.shape}")
        require(self.output.same_grid(source), "upsampling keeps zero_point and exponent of its input")
        self.output.check(lower, upper)
