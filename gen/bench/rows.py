"""What the hand-made multipliers are built of: rows that are one of two values or its one's complement, and adders.

A row of a multiplier is usually an activation gated by a weight bit. A row that is one of *two* values, with either
sign, says two weight bits in the same four inputs of a look-up table, so there are half as many rows to add. For it
weight bits count as +1 and -1 instead of 1 and 0: with W bits ``Σ 2^i (±1) = 2w + 1``, so that the rows of an
activation x add up to ``(2w + 1)·x``, and what the one's complements leave out, which depends on the weights alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from nomul.hdl.fabric import Fabric, Operand

__all__ = ["Builder", "Choice", "Row", "Term"]


@dataclass(frozen=True)
class Choice:
    """Two values of equal width that the rows of all columns choose from, and the same values a cycle later.

    Attributes
    ----------
    values, late : tuple of two Values
        What is chosen from.
    largest : int
        Largest of the values.
    """

    values: tuple[Value, Value]
    late: tuple[Value, Value]
    largest: int


@dataclass(frozen=True)
class Row:
    """One of the values of a choice, or its one's complement.

    Attributes
    ----------
    choice : Choice
        The values.
    select : Value
        1 bit: the second value.
    negative : Value
        1 bit: the one's complement. With gates in the adders, of a second row: whether its sign differs from that of
        the row before it.
    """

    choice: Choice
    select: Value
    negative: Value


@dataclass(frozen=True)
class Term:
    """An addend and its largest value."""

    operand: Operand
    largest: int


class Builder:
    """Adds rows two by two, with a register after each step.

    Parameters
    ----------
    m : Module
        Gets the logic.
    fabric : Fabric
        Of the target.
    gate_in_adder : bool
        Whether the adders take a selection or inverted operands: then of two rows the first is selected in the adder,
        the second has its sign relative to the first's, and the first's sign inverts their sum in the adder after that.
    registered : bool
        Whether there are registers at all.
    """

    def __init__(self, m: Module, fabric: Fabric, *, gate_in_adder: bool, registered: bool):
        self._m, self._fabric, self._gate_in_adder, self._registered = m, fabric, gate_in_adder, registered
        self._names = count()

    def hold(self, value: Value) -> Value:
        """`value` a cycle later."""
        if not self._registered:
            return value
        held = Signal(len(value), name=f"held{next(self._names)}", reset_less=True)
        self._m.d.sync += held.eq(value)
        return held

    def add(self, sums: Sequence[Sequence[Operand]], width: int) -> list[Value]:
        """Sums modulo ``2^width``, a cycle later; those given together can share a carry chain."""
        return [self.hold(total) for total in self._fabric.add(self._m, f"sum{next(self._names)}", sums, width)]

    def choice(self, values: tuple[Value, Value], largest: int) -> Choice:
        """A choice of values that come a cycle after the inputs."""
        late = (self.hold(values[0]), self.hold(values[1])) if self._gate_in_adder else values
        return Choice(values, late, largest)

    def pairs(self, groups: Sequence[Sequence[Row]], shift: int) -> list[list[Term]]:
        """The rows of each group added two by two, two cycles later.

        Parameters
        ----------
        groups : sequence of sequences of Row
            Groups of equally many rows.
        shift : int
            Of two rows, the second counts ``2^shift`` times.
        """
        pairs = [[self._pair(rows[n:n + 2], shift) for n in range(0, len(rows), 2)] for rows in groups]
        return self._join(pairs, shift)

    def joined(self, groups: Sequence[Sequence[Term]], shift: int) -> list[Term]:
        """The terms of each group added two by two until one is left, a cycle later for each step.

        Parameters
        ----------
        groups : sequence of sequences of Term
            Groups of equally many terms.
        shift : int
            Each term counts ``2^shift`` times the one before it.
        """
        terms = [list(group) for group in groups]
        while len(terms[0]) > 1:
            sums = [[_Sum(group[n:n + 2], shift) for n in range(0, len(group), 2)] for group in terms]
            terms = self._join(sums, shift)
            shift *= 2
        return [group[0] for group in terms]

    def _chosen(self, row: Row) -> Term:
        value = Mux(row.select, row.choice.values[1], row.choice.values[0])
        value = self.hold(value ^ row.negative.replicate(len(value)))
        return Term(Operand(value), (1 << len(value)) - 1)

    def _pair(self, rows: Sequence[Row], shift: int) -> "_Sum":
        if not self._gate_in_adder or len(rows) == 1:
            return _Sum([self._chosen(row) for row in rows], shift)
        first, second = rows
        value, other = first.choice.late
        selected = Term(Operand(value, select=self.hold(first.select), other=other), first.choice.largest)
        result = _Sum([selected, self._chosen(second)], shift, sign=self.hold(self.hold(first.negative)))
        if first.choice is second.choice and shift == 2:
            # 3x - 4x < 0: the second row's sign decides, and the sum needs no more bits than that row.
            result.largest = (1 << len(value) + shift) - 1
        return result

    def _join(self, groups: list[list["_Sum"]], shift: int) -> list[list[Term]]:
        """Each pair added; the sums of all groups at the same place have the same width, and so can share chains."""
        results: list[list[Term]] = [[] for _ in groups]
        for place in range(len(groups[0])):
            pairs = [group[place] for group in groups]
            terms = self._alone(pairs) if len(pairs[0].terms) == 1 else self._added(pairs, shift)
            for result, term in zip(results, terms, strict=True):
                result.append(term)
        return results

    def _alone(self, pairs: list["_Sum"]) -> list[Term]:
        terms = []
        for pair in pairs:
            operand = pair.terms[0].operand
            sign = None if operand.invert is None else self.hold(operand.invert)
            terms.append(Term(Operand(self.hold(operand.value), invert=sign), pair.terms[0].largest))
        return terms

    def _added(self, pairs: list["_Sum"], shift: int) -> list[Term]:
        # Below the second addend the first one just passes, unless it has a gate to go through.
        passes = shift if pairs[0].terms[0].operand.plain else 0
        sums = []
        for pair in pairs:
            low, high = (term.operand for term in pair.terms)
            padded = Cat(Const(0, shift - passes), high.value)
            sums.append([Operand(low.value[passes:]) if passes else low, Operand(padded, invert=high.invert)])
        terms = []
        totals = self.add(sums, pairs[0].largest.bit_length() - passes)
        for pair, total in zip(pairs, totals, strict=True):
            value = Cat(self.hold(pair.terms[0].operand.value[:passes]), total) if passes else total
            largest = pair.largest if pair.sign is None else (1 << len(value)) - 1
            terms.append(Term(Operand(value, invert=pair.sign), largest))
        return terms


class _Sum:
    """One or two terms to be added, the sign that their sum gets in the adder after that, and its largest value."""

    def __init__(self, terms: list[Term], shift: int, sign: Value | None = None):
        self.terms, self.sign = terms, sign
        self.largest = sum(term.largest << shift * n for n, term in enumerate(terms))
        if terms[-1].operand.invert is not None:
            self.largest += (1 << shift) - 1        # the zeros below it are inverted, too
