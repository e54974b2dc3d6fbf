"""How two tensors of codes differ: in how many bits, and first where."""

from typing import NamedTuple

import numpy as np

__all__ = ["Difference", "differing_bits", "first_difference"]


class Difference(NamedTuple):
    """One place at which golden model and hardware differ.

    Attributes
    ----------
    image : int
        The image's number, from 0.
    layer : str
        The layer whose output it is.
    channel, y, x : int
        Which code of the tensor.
    golden, hardware : int
        The two codes.
    """

    image: int
    layer: str
    channel: int
    y: int
    x: int
    golden: int
    hardware: int

    def __str__(self) -> str:
        return (f"image {self.image}, layer {self.layer}, channel {self.channel}, pixel (y {self.y}, x {self.x}): "
                f"golden {self.golden}, hardware {self.hardware}")


def differing_bits(golden: np.ndarray, hardware: np.ndarray) -> int:
    """Bits in which two arrays of integers of one type differ; a negative number counts in two's complement."""
    return int(np.bitwise_count((golden ^ hardware).view(f"u{golden.itemsize}")).sum())


def first_difference(image: int, layer: str, golden: np.ndarray, hardware: np.ndarray) -> Difference | None:
    """The first place at which two tensors of shape (channels, height, width) differ, channel by channel, row by row.

    None if there is none.
    """
    places = np.argwhere(golden != hardware)
    if not len(places):
        return None
    channel, y, x = map(int, places[0])
    return Difference(image, layer, channel, y, x, int(golden[channel, y, x]), int(hardware[channel, y, x]))
