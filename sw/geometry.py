"""How a convolution's window moves: stride, padding, dilation and groups, and what they allow."""

from collections.abc import Sequence
from typing import NamedTuple

from nomul.gen.spec.errors import NomulError

__all__ = ["Geometry", "LayerError", "Size", "pair_text"]

#: One number for both directions, or (vertical, horizontal).
Size = int | tuple[int, int]


class LayerError(NomulError):
    """Options of a layer that do not exist or do not fit together."""


class Geometry(NamedTuple):
    """Window of a convolution, (vertical, horizontal) each; `groups` as in `torch.nn.Conv2d`."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    @classmethod
    def of(cls, stride: Size, padding: Size, dilation: Size, groups: int) -> "Geometry":
        """With every number given for both directions.

        Raises
        ------
        LayerError
            For anything but integers, strides and dilations of at least 1, and paddings of at least 0.
        """
        return cls(_pair("stride", stride, 1), _pair("padding", padding, 0), _pair("dilation", dilation, 1), groups)

    def output_size(self, image: Sequence[int], kernel: Sequence[int]) -> tuple[int, int]:
        """Height and width of the result, below 1 if the kernel does not fit; `image` is without padding."""
        height, width = ((size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
                         for size, taps, stride, padding, dilation in
                         zip(image, kernel, self.stride, self.padding, self.dilation, strict=True))
        return height, width

    def check_channels(self, inputs: int, outputs: int) -> None:
        """Refuses channels that the groups do not divide.

        Raises
        ------
        LayerError
            Names the channels and the groups.
        """
        if self.groups < 1 or inputs % self.groups or outputs % self.groups:
            raise LayerError(f"groups={self.groups} must divide both the {inputs} input channels and the {outputs} "
                             f"output channels")


def pair_text(value: Size) -> str:
    """For tables: one number if both directions have the same."""
    vertical, horizontal = (value, value) if isinstance(value, int) else value
    return str(vertical) if vertical == horizontal else f"{vertical}×{horizontal}"


def _pair(name: str, value: Size, smallest: int) -> tuple[int, int]:
    both = (value, value) if isinstance(value, int) else value
    if not isinstance(both, tuple) or len(both) != 2 or not all(isinstance(one, int) and one >= smallest
                                                               for one in both):
        raise LayerError(f"{name} must be an integer of at least {smallest}, or a pair of such, not {value!r}")
    return both
