"""What an adder adds: a value, and what is done to it on its way in."""

from dataclasses import dataclass

from amaranth.hdl import Mux, Value

__all__ = ["Operand"]


@dataclass(frozen=True)
class Operand:
    """An unsigned addend, with at most one gate in front of it that a fabric may merge into its adder.

    Attributes
    ----------
    value : Value
        Unsigned, any width. The gates work on its own bits; above them it is 0.
    invert : Value, optional
        One bit: every bit of `value` is XORed with it.
    saturate : Value, optional
        One bit: every bit of `value` is ORed with it.
    select, other : Value, optional
        One bit, and a value as wide as `value` that is taken instead of it if the bit is 1.

    Raises
    ------
    ValueError
        For more than one gate, half a selection, or a selection of unequal widths.
    """

    value: Value
    invert: Value | None = None
    saturate: Value | None = None
    select: Value | None = None
    other: Value | None = None

    def __post_init__(self) -> None:
        if sum(gate is not None for gate in (self.invert, self.saturate, self.select)) > 1:
            raise ValueError("an operand has at most one gate: invert, saturate or select")
        if (self.select is None) != (self.other is None):
            raise ValueError("select and other come together")
        if self.other is not None and len(self.other) != len(self.value):
            raise ValueError(f"other must be as wide as value ({len(self.value)} bits), not {len(self.other)}")

    def __len__(self) -> int:
        """Bits of the value."""
        return len(self.value)

    @property
    def plain(self) -> bool:
        """Whether there is no gate."""
        return self.invert is None and self.saturate is None and self.select is None

    def resolve(self) -> Value:
        """The value behind its gate, in plain logic."""
        if self.invert is not None:
            return self.value ^ self.invert.replicate(len(self))
        if self.saturate is not None:
            return self.value | self.saturate.replicate(len(self))
        if self.select is not None:
            return Mux(self.select, self.other, self.value)
        return self.value
