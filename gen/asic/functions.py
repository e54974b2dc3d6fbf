"""Boolean functions of cells, as Liberty writes them, on words that hold one case a bit."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from operator import itemgetter

import numpy as np

from nomul.gen.asic.errors import AsicError

__all__ = ["Evaluate", "function"]

#: From the words on the pins, by name, to the word on the output.
Evaluate = Callable[[Mapping[str, np.ndarray]], np.ndarray]

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_\[\]]*|[01()!'^&*|+])")
_STARTS_FACTOR = re.compile(r"[A-Za-z_01(!]")


@cache
def function(text: str) -> Evaluate:
    """What evaluates a function such as `!(A1*A2+B)`, for many cases at once: one in each bit of `uint64` words.

    From tight to loose: `!` before or `'` after an operand; `^`; `*`, `&` or nothing between operands; `+` or `|`
    (Liberty User Guide, volume 1, "function attribute").

    Raises
    ------
    AsicError
        If the text isn't such a function.
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text) or not tokens:
        raise AsicError(f"the cell library holds '{text}', which is no Boolean function of pins")
    tokens.append("")

    def factor() -> Evaluate:
        result: Evaluate
        token = tokens.pop(0)
        if token == "!":
            return _inverted(factor())
        if token == "(":
            result = disjunction()
            if tokens.pop(0) != ")":
                raise AsicError(f"the cell library holds '{text}', where a parenthesis isn't closed")
        elif token in ("0", "1"):
            result = _constant(token == "1")
        elif token[:1].isalpha() or token[:1] == "_":
            result = itemgetter(token)
        else:
            raise AsicError(f"the cell library holds '{text}', where an operand is missing before '{token}'")
        while tokens[0] == "'":
            tokens.pop(0)
            result = _inverted(result)
        return result

    def exclusive() -> Evaluate:
        result = factor()
        while tokens[0] == "^":
            tokens.pop(0)
            result = _joined(np.bitwise_xor, result, factor())
        return result

    def conjunction() -> Evaluate:
        result = exclusive()
        while tokens[0] in ("*", "&") or _STARTS_FACTOR.match(tokens[0]):
            if tokens[0] in ("*", "&"):
                tokens.pop(0)
            result = _joined(np.bitwise_and, result, exclusive())
        return result

    def disjunction() -> Evaluate:
        result = conjunction()
        while tokens[0] in ("+", "|"):
            tokens.pop(0)
            result = _joined(np.bitwise_or, result, conjunction())
        return result

    evaluate = disjunction()
    if tokens != [""]:
        raise AsicError(f"the cell library holds '{text}', where '{tokens[0]}' has no place")
    return evaluate


def _constant(value: bool) -> Evaluate:
    word = np.array(~np.uint64(0) if value else np.uint64(0))
    return lambda pins: word


def _inverted(inner: Evaluate) -> Evaluate:
    return lambda pins: ~inner(pins)


def _joined(operator: np.ufunc, left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda pins: operator(left(pins), right(pins))
