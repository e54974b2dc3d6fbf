"""Where activation tensors lie: buffers whose lifetimes overlap must not overlap in memory."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Buffer", "plan"]


class Buffer(NamedTuple):
    """A tensor's need: `words`, from the step that writes it (`first`) to the last step that reads it (`last`)."""

    name: str
    words: int
    first: int
    last: int


def plan(buffers: Sequence[Buffer]) -> dict[str, int]:
    """First address of each buffer: each in turn at the lowest place that is free all its life (first fit).

    A step's outputs are written while its inputs are still read, so lifetimes that share a step overlap. The first
    buffer lies at 0.
    """
    bases: dict[str, int] = {}
    placed: list[Buffer] = []
    for buffer in buffers:
        taken = sorted((bases[other.name], bases[other.name] + other.words) for other in placed
                       if other.first <= buffer.last and buffer.first <= other.last)
        base = 0
        for start, end in taken:
            if start >= base + buffer.words:
                break
            base = max(base, end)
        bases[buffer.name] = base
        placed.append(buffer)
    return bases
