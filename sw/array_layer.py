"""The array layer of an integer network: a convolution, or linear layer, and the rules that make it computable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nomul.gen.spec.operators import Operator
from nomul.sw import contract
from nomul.sw.geometry import Geometry, Size
from nomul.sw.tensor import Tensor, check_map, require

__all__ = ["ArrayLayer"]


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
        int16, shape (O, terms·C/groups, KH, KW). L1: codes on the input's grid; SHIFT: 0 or ±2^p; SIGN: -1, 0, 1.
    bias : np.ndarray
        int64, shape (O,); contains SHIFT's and SIGN's zero-point correction.
    multiplier : np.ndarray
        int32, shape (O,): |M| < 2^16 and |M| < 2^shift.
    shift : int
        1 to 40.
    stride, padding : int or (vertical, horizontal)
        Padding on both sides, with the input's zero point.
    lower, upper : int
        Bounds of the output codes; ReLU is lower = output.zero_point.
    output : Tensor
        Shape and grid of the result. The network's last layer has zero_point 0 and signed 16-bit outputs (logits).
    terms : int
        1 to 15: how often the input's channels are read, all in a row each time. So a weight that is a sum of powers of
        two is as many SHIFT weights.
    dilation : int or (vertical, horizontal)
        Distance of the kernel's taps.
    groups : int
        Of channels: the outputs of each see the inputs of the same one, as in `torch.nn.Conv2d`.
    """

    kind: ClassVar[str] = "array"

    name: str
    input: str
    operator: Operator
    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: int
    stride: Size
    padding: Size
    lower: int
    upper: int
    output: Tensor
    terms: int = 1
    dilation: Size = 1
    groups: int = 1

    @property
    def geometry(self) -> Geometry:
        """How the window moves; `LayerError` for what no convolution has."""
        return Geometry.of(self.stride, self.padding, self.dilation, self.groups)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads."""
        return (self.input,)

    def check(self, inputs: Sequence[Tensor], lower: int, upper: int) -> None:
        """Raises `NetworkError` unless the layer maps `inputs` exactly; outputs must lie in `lower`..`upper`."""
        require(self.weight.ndim == 4 and self.weight.size and self.weight.dtype == np.int16,
                 f"weight must be int16 of shape (outputs, inputs, height, width), "
                 f"not {self.weight.dtype} {self.weight.shape}")
        channels = len(self.weight)
        for key, dtype in (("bias", np.int64), ("multiplier", np.int32)):
            array = getattr(self, key)
            require(array.dtype == dtype and array.shape == (channels,),
                     f"{key} must be {np.dtype(dtype)} of shape ({channels},), not {array.dtype} {array.shape}")
        geometry = self.geometry
        geometry.check_channels(inputs[0].channels, channels)
        require(1 <= self.terms <= contract.MAX_TERMS, f"terms must be 1 to {contract.MAX_TERMS}, not {self.terms}")
        times = f"{self.terms} times " if self.terms > 1 else ""
        group = f", in each of {self.groups} groups" if self.groups > 1 else ""
        require(self.weight.shape[1] == self.terms * (inputs[0].channels // self.groups),
                 f"weight has {self.weight.shape[1]} input channels, tensor {self.input!r} has {times}"
                 f"{inputs[0].channels // self.groups}{group}")
        check_map(inputs[0], channels, self.weight.shape[2:], geometry, self.output)
        self._check_numbers(lower, upper)

    def _check_numbers(self, lower: int, upper: int) -> None:
        weight = self.weight.astype(np.int64)
        magnitude = np.abs(weight)
        allowed, rule = {
            Operator.L1: (weight >= 0, "not negative"),
            Operator.SHIFT: ((magnitude & (magnitude - 1)) == 0, "0 or ±2^p"),
            Operator.SIGN: (magnitude <= 1, "-1, 0 or 1"),
        }[self.operator]
        require(allowed.all(), f"{self.operator.key} weights must be {rule}, not {weight[~allowed][:1]}")
        require((np.abs(self.bias) < 1 << contract.ACCUMULATOR_BITS - 1).all(),
                 f"bias must be below 2^{contract.ACCUMULATOR_BITS - 1} in magnitude")
        require(1 <= self.shift <= contract.MAX_SHIFT, f"shift must be 1 to {contract.MAX_SHIFT}, not {self.shift}")
        largest = int(np.abs(self.multiplier.astype(np.int64)).max())
        limit = 1 << min(contract.MULTIPLIER_BITS, self.shift)
        require(largest < limit, f"multiplier must be below {limit} in magnitude (16 bits, and 2^shift), "
                                  f"not {largest}")
        require(lower <= self.lower <= self.upper <= upper,
                 f"outputs must lie within {lower} to {upper}, not {self.lower} to {self.upper}")
        self.output.check(self.lower, self.upper)
