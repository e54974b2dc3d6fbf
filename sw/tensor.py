"""Activation tensors of an integer network: shape and grid, and what layers have to say about them."""

from collections.abc import Sequence
from dataclasses import dataclass

from nomul.gen.spec.errors import NomulError
from nomul.sw.geometry import Geometry, pair_text

__all__ = ["NetworkError", "Tensor", "check_map", "require"]


class NetworkError(NomulError):
    """A network that breaks a rule of the integer contract; the message names layer and rule."""


def require(condition: object, rule: str) -> None:
    """Raises `NetworkError` with the rule unless it holds."""
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
        require(min(self.shape) > 0, f"channels, height and width must be positive, not {self.shape}")
        require(lower <= self.zero_point <= upper,
                 f"zero_point must lie within the outputs {lower} to {upper}, not {self.zero_point}")

    def same_grid(self, other: "Tensor") -> bool:
        """Whether equal codes mean equal values."""
        return (self.zero_point, self.exponent) == (other.zero_point, other.exponent)


def check_map(source: Tensor, channels: int, kernel: Sequence[int], geometry: Geometry, output: Tensor) -> None:
    """Raises `NetworkError` unless a kernel that moves so over `source` makes as many pixels as `output` has."""
    expected = (channels, *geometry.output_size((source.height, source.width), kernel))
    require(min(expected) > 0, f"a {kernel[0]}×{kernel[1]} kernel does not fit into the "
                                f"{source.height}×{source.width} map with padding {pair_text(geometry.padding)}")
    require(output.shape == expected, f"the output's shape must be {expected}, not {output.shape}")
