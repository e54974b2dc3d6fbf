"""Sums that the tools would not make of a single adder by themselves."""

from amaranth.hdl import Cat, Value

__all__ = ["sum_of"]


def sum_of(a: Value, b: Value, carry: Value) -> Value:
    """``a + b + carry`` with one adder: ``carry + carry`` in a bit below the others makes the carry."""
    total = Cat(carry, a) + Cat(carry, b)
    return total[1:]
