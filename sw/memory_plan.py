"""Where activation tensors lie: buffers whose lifetimes overlap must not overlap in memory."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Buffer", "plan"]


class Buffer(NamedTuple):
    """A tensor's need: `words`, from the step that writes it (`first`) to the last step that reads it (`last`).

    Its step may write over those of `inputs` that are read for the last time, word by word.
    """

    name: str
    words: int
    first: int
    last: int
    inputs: tuple[str, ...] = ()


def plan(buffers: Sequence[Buffer]) -> dict[str, int]:
    """First address of each buffer: in place of an input, or at the lowest place that is free all its life (first fit).

    A step's outputs are written while its inputs are still read, so lifetimes that share a step overlap. The first
    buffer lies at 0.
    """
    bases: dict[str, int] = {}
    placed: list[Buffer] = []
    for buffer in buffers:
        inplace = [bases[other.name] for other in placed if _may_replace(buffer, other, placed, bases)]
        bases[buffer.name] = inplace[0] if inplace else _lowest(buffer, placed, bases)
        placed.append(buffer)
    return bases


def _may_replace(buffer: Buffer, other: Buffer, placed: Sequence[Buffer], bases: dict[str, int]) -> bool:
    if other.name not in buffer.inputs or other.last != buffer.first or other.words != buffer.words:
        return False
    return _free(bases[other.name], buffer, [each for each in placed if each is not other], bases)


def _lowest(buffer: Buffer, placed: Sequence[Buffer], bases: dict[str, int]) -> int:
    """The lowest base: 0, or the end of another buffer."""
    ends = {0, *(bases[other.name] + other.words for other in placed)}
    return min(base for base in ends if _free(base, buffer, placed, bases))


def _free(base: int, buffer: Buffer, placed: Sequence[Buffer], bases: dict[str, int]) -> bool:
    """Whether nobody else needs these words in the buffer's life."""
    return all(other.last < buffer.first or buffer.last < other.first
               or bases[other.name] + other.words <= base or base + buffer.words <= bases[other.name]
               for other in placed)
