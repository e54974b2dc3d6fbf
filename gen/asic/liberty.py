"""Reads the Liberty format: nested groups of attributes, as every standard-cell library is delivered in.

PyPI's `liberty-parser` reads it as well, but is GPL (nomul is MIT), and gives no more than these two pages do: the
meaning of the groups is in `nomul.gen.asic.cell_reader` either way.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from nomul.gen.asic.errors import AsicError

__all__ = ["Group", "numbers", "parse"]

_IGNORED = re.compile(r"/\*.*?\*/|//[^\n]*|\\\r?\n", re.DOTALL)
_TOKEN = re.compile(r'"([^"]*)"|([^\s(){}:;,"]+)|([(){}:;,\n])')


@dataclass
class Group:
    """A group `kind (arguments) { ... }`.

    Attributes
    ----------
    kind : str
        What it describes: library, cell, pin, timing, ...
    arguments : tuple of str
        What stands in its parentheses, without quotes.
    attributes : dict of str to tuple of str
        Simple and complex attributes by name, each with its values; of one that is repeated, the last.
    groups : list of Group
        The groups inside, in the file's order.
    """

    kind: str
    arguments: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, kind: str) -> Iterator["Group"]:
        """The groups of one kind that this one contains directly."""
        return (group for group in self.groups if group.kind == kind)

    def text(self, name: str, default: str = "") -> str:
        """The first value of an attribute."""
        return self.attributes.get(name, (default,))[0]

    def number(self, name: str, default: float = 0.0) -> float:
        """The first value of an attribute that is a number."""
        return float(self.attributes[name][0]) if name in self.attributes else default


def numbers(values: tuple[str, ...]) -> list[float]:
    """The numbers in an attribute such as `index_1 ("1, 2, 3")` or `values ("1, 2", "3, 4")`, one after the other."""
    return [float(number) for value in values for number in value.replace(",", " ").split()]


def parse(text: str, name: str) -> Group:
    """The outermost group of a Liberty file, which is its library.

    Parameters
    ----------
    text : str
        Contents of the file.
    name : str
        The file's name, for error messages.

    Raises
    ------
    AsicError
        If the text isn't Liberty; says near what.
    """
    file = Group("file", ())
    stack: list[Group] = [file]
    words: list[str] = []       # of the statement that has begun: its name, its values
    kind = ""                   # what it is by now: "" a name, ":" simple, "(" in parentheses, ")" behind them
    for quoted, word, mark in _TOKEN.findall(_IGNORED.sub(" ", text)):
        # A semicolon may be missing: a simple attribute ends with its line, a complex one where the next name begins.
        ends = mark in (";", "}") or (mark == "\n" and kind == ":" and len(words) > 1) or (not mark and kind == ")")
        if ends and words:
            if not kind:
                raise AsicError(f"{name} is no Liberty file: '{words[0]}' has no value")
            stack[-1].attributes[words[0]] = tuple(words[1:])
            words, kind = [], ""
        if mark == "}":
            stack.pop()
        elif mark == "{" and kind == ")":
            stack[-1].groups.append(Group(words[0], tuple(words[1:])))
            stack.append(stack[-1].groups[-1])
            words, kind = [], ""
        elif (mark, kind) == (")", "(") or (mark in (":", "(") and len(words) == 1 and not kind):
            kind = mark
        elif not mark and (kind or not words):
            words.append(word or quoted)
        elif mark not in (";", "\n", ",") and kind != ":":
            raise AsicError(f"{name} is no Liberty file: '{mark or word or quoted}' after '{' '.join(words)}'")
        if not stack:
            break
    if stack != [file] or [group.kind for group in file.groups] != ["library"]:
        raise AsicError(f"{name} is no Liberty file: it must be one group 'library', closed at its end")
    return file.groups[0]
