"""How many clock cycles the blocks of the hardware take: the numbers that the hardware and its cycle model share."""

from nomul.gen.spec.config import Config

__all__ = ["ACCUMULATOR", "ISSUE", "LATE", "MULTIPLIER", "array_latency", "column_latency", "tree_latency",
           "vector_latency"]

#: Registers of large memories where these are late: one in front of them, the others behind. Elsewhere cycles are
#: waited instead, so that a program takes the same everywhere.
LATE = 3
#: From the decision to feed the array a word until its data reach it: registers of the address, of memories, and behind
#: the choice between the memory's word and the padding.
ISSUE = 3 + LATE
#: From a block's last sum until the drain is told of it, which reads two cycles later.
ACCUMULATOR = 1
#: From a pixel's entry into a row of serial multipliers to its products, besides a cycle for every bit of the shift.
MULTIPLIER = 1


def tree_latency(count: int, levels_per_register: int) -> int:
    """Clock cycles from the operands to their sum: registers of a tree that adds two by two.

    A fabric that adds three at a time needs fewer levels, and delays the sum to come in the same cycle.

    Parameters
    ----------
    count : int
        Operands, at least 1.
    levels_per_register : int
        A register follows every so many levels; 0 for none at all.

    Raises
    ------
    ValueError
        For a count below 1 or negative levels.
    """
    if count < 1:
        raise ValueError(f"an adder tree must have at least 1 operand, not {count!r}")
    if levels_per_register < 0:
        raise ValueError(f"levels per register must be 0 (none) or more, not {levels_per_register!r}")
    return (count - 1).bit_length() // levels_per_register if levels_per_register else 0


def column_latency(config: Config) -> int:
    """Clock cycles from activations and weights to a column's sum."""
    return config.leaf_register + tree_latency(config.lanes, config.tree_levels_per_register)


def array_latency(config: Config) -> int:
    """Clock cycles of the processing array: with its input and its output register."""
    return 2 + column_latency(config)


def vector_latency(config: Config) -> int:
    """Clock cycles from the issue of the address of a vector layer's last tap to the layer's end."""
    return (7 if config.vector_sums else 4) + LATE
