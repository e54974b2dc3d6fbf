"""The counter of a loop over something in a descriptor, whose last turn is known from a register."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value

from nomul.hdl.constants import held, last_of

__all__ = ["Loop"]


class Loop:
    """Counts the turns that are left, so that nothing has to be compared with the layer's number of turns in time.

    Parameters
    ----------
    m : Module
        Where the registers are.
    turns : Value
        How many turns there are, at least 1; see `nomul.hdl.constants.held` for when it may change.
    name : str
        What is counted.

    Attributes
    ----------
    end : Signal
        This is the last turn.
    """

    def __init__(self, m: Module, turns: Value, name: str):
        self._last = last_of(m, turns, f"last_{name}")
        self._only = held(m, turns == 1, f"only_{name}")
        self._left = Signal(len(turns), name=f"{name}s_left")
        self.end = Signal(name=f"{name}_end")

    def first(self) -> list[Any]:
        """Statements: to the first turn."""
        return [self._left.eq(self._last), self.end.eq(self._only)]

    def next(self) -> list[Any]:
        """Statements: to the next turn; after the last one, to the first."""
        return [self._left.eq(Mux(self.end, self._last, self._left - 1)),
                self.end.eq(Mux(self.end, self._only, self._left == 1))]
