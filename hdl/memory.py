"""Memories of which no word is read in the cycle that writes it, or the value read then does not matter."""

from amaranth.lib.memory import Memory

__all__ = ["plain_memory"]


def plain_memory(shape, depth: int) -> Memory:
    """A memory of zeros whose read ports may give anything in the cycle after their word was written.

    Simulators give the old value, of which block RAMs promise nothing: for each port they would get registers and
    multiplexers as wide as a word.

    Parameters
    ----------
    shape : ShapeLike
        Of a word.
    depth : int
        Words.
    """
    return Memory(shape=shape, depth=depth, init=[], attrs={"no_rw_check": 1})
