"""The counter of a loop over something in a descriptor, whose last turn is known from a register."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value

from nomul.hdl.constants import held

__all__ = ["Loop"]


class Loop:
    """Counts the turns that are left, so that nothing has to be compared with the layer's number of turns in time.

    Parameters
    ----------
    m : Module
        Where the registers are.
    last : Value
        One less than the turns that there are; see `nomul.hdl.constants.held` for when it may change.
    name : str
        What is counted.

    Attributes
    ----------
    end : Signal
        This is the last turn.
    """

    def __init__(self, m: Module, last: Value, name: str):
        self._last = last
        self._only = held(m, last == 0, f"only_{name}")
        self._left = Signal(len(last), name=f"{name}s_left")
        self.end = Signal(name=f"{name}_end")

    def first(self) -> list[Any]:
        """Statements: to the first turn."""
        return [self._left.eq(self._last), self.end.eq(self._only)]

    def next(self) -> list[Any]:
        """Statements: to the next turn; after the last one, to the first."""
        return [self._left.eq(Mux(self.end, self._last, self._left - 1)),
                self.end.eq(Mux(self.end, self._only, self._left == 1))]
