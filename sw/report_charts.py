"""The plots of a report's page as SVG, coloured by classes of its style sheet: cycles, roofline, memory."""

import itertools
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from nomul.sw.chart import Axis, ticks
from nomul.sw.report import Report

__all__ = ["CAUSES", "Lifetime", "cycles_chart", "memory_chart", "roofline_chart"]

#: What cycles are spent on (fields of `nomul.sw.cycles.LayerCycles`), in the order of the bars.
CAUSES = ("busy", "weights", "accumulators", "drain", "fetch")

_WIDTH = 960
#: Pixels that a character takes at the most, on average, in the style sheet's size.
_CHARACTER = 6.7


@dataclass(frozen=True)
class Lifetime:
    """A tensor in the activation memory: `words` from the address `base`, from the step `first` to `last`.

    Step 0 is the input's arrival; step n is the layer number n.
    """

    name: str
    base: int
    words: int
    first: int
    last: int


def cycles_chart(report: Report) -> str:
    """A bar for each layer, whose parts are what its cycles are spent on."""
    left, top, row = 230, 34, 20
    bottom = top + row * len(report.layers)
    marks = ticks(0, max(layer.cycles.total for layer in report.layers))
    across = Axis(marks, left, _WIDTH - 110)
    parts = list(_legend(left))
    for mark in marks:
        x = across.place(mark)
        parts += [_line(x, top - 4, x, bottom, "grid"), _text(x, bottom + 16, f"{mark:,.0f}", "middle muted")]
    for number, layer in enumerate(report.layers, start=1):
        y, spent = top + row * (number - 1), 0
        parts.append(_text(left - 8, y + 14, _short(f"{number}  {layer.name}", left - 12), "end"))
        for cause in CAUSES:
            cycles = getattr(layer.cycles, cause)
            if cycles:
                parts.append(_bar(across.place(spent), y + 3, across.place(spent + cycles) - across.place(spent),
                                  row - 6, cause, f"{layer.name}: {cycles:,} cycles {cause}"))
            spent += cycles
        used = f" · {100 * layer.utilization:.1f} %" if layer.operations else ""
        parts.append(_text(across.place(spent) + 6, y + 14, f"{spent:,}{used}", "start"))
    return _svg("Cycles of each layer, by cause", bottom + 24, parts)


def roofline_chart(report: Report) -> str:
    """Operations a cycle against operations for a bit read from the activation memory, both logarithmic.

    The array gets a word of activations in each cycle, so that the memory bounds a layer whose words have unused lanes,
    or whose output has unused columns; otherwise the array does.
    """
    config = report.config
    limit, word = config.lanes * config.columns, config.activation_word_bits
    points = [(layer.operations / layer.bits_read, layer.operations / layer.cycles.total, number)
              for number, layer in enumerate(report.layers, start=1) if layer.operations]
    left, right, top, bottom = 76, _WIDTH - 20, 20, 340
    # With room around the place where the limits meet.
    x_marks = _powers([0.5 * limit / word, 4 * limit / word, *(x for x, _, _ in points)])
    y_marks = _powers([0.5 * limit, 1.5 * limit, *(y for _, y, _ in points)])
    across, up = Axis(x_marks, left, right), Axis(y_marks, bottom, top)
    parts = []
    for mark in x_marks:
        x = across.place(mark)
        parts += [_line(x, top, x, bottom, "grid"), _text(x, bottom + 16, _power(mark), "middle muted")]
    for mark in y_marks:
        y = up.place(mark)
        parts += [_line(left, y, right, y, "grid"), _text(left - 8, y + 4, _power(mark), "end muted")]
    # Of the memory's line, what lies within the axes.
    start = max(x_marks[0], y_marks[0] - math.log2(word))
    foot, roof = up.place(start + math.log2(word)), up.place(math.log2(limit))
    begin, ridge = across.place(start), across.place(math.log2(limit / word))
    slope = f"memory: {word} bits a cycle"
    above = foot - (foot - roof) * min(1, (len(slope) * _CHARACTER + 8) / (ridge - begin)) - 6
    parts += [_line(begin, foot, ridge, roof, "limit"), _line(ridge, roof, right, roof, "limit"),
              _text(right, roof - 6, f"array: {limit} operations a cycle", "end"),
              _text(begin + 8, above, slope, "start"),
              _text((left + right) / 2, bottom + 36, "operations for a bit read from the activation memory",
                    "middle muted"),
              _upright(14, bottom / 2, "operations a cycle")]
    placed = [(across.place(math.log2(x)), up.place(math.log2(y)), number) for x, y, number in points]
    for (x, y, number), (dense, fast, _) in zip(placed, points, strict=True):
        note = f"{number} {report.layers[number - 1].name}: {fast:.1f} operations a cycle, {dense:.2f} for a bit"
        parts.append(f'<circle class="point" cx="{x:.2f}" cy="{y:.2f}" r="5"><title>{escape(note)}</title></circle>')
    written: list[tuple[float, float, float]] = []      # of labels further up: left and right end, and the next line
    for group in sorted(_near(placed), key=lambda group: max(y for _, y, _ in group)):
        x, y = max(x for x, _, _ in group) + 10, max(max(y for _, y, _ in group) + 4, roof + 16)
        fits = max(12, min(60, int((right - x) / _CHARACTER)))
        lines = textwrap.wrap(_ranges(number for _, _, number in group), fits)
        end = x + _CHARACTER * max(map(len, lines))
        y = max([y, *(below for other, other_end, below in written if x < other_end and other < end)])
        written.append((x, end, y + 15 * len(lines)))
        parts += [_text(x, y + 15 * line, text, "start") for line, text in enumerate(lines)]
    return _svg("Roofline: operations a cycle of each layer", bottom + 46, parts)


def memory_chart(lifetimes: Sequence[Lifetime], depth: int, steps: int) -> str:
    """Addresses of the activation memory, of `depth` words, against the layers: where each tensor lies and how long."""
    left, right, top, bottom = 76, _WIDTH - 20, 20, 340
    marks = [depth * quarter / 4 for quarter in range(5)]
    column = (right - left) / (steps + 1)
    up = Axis(marks, bottom, top)
    parts = []
    for mark in marks:
        y = up.place(mark)
        parts += [_line(left, y, right, y, "grid"), _text(left - 8, y + 4, f"{mark:,.0f}", "end muted")]
    apart = math.ceil(24 / column)
    for step in range(0, steps + 1, apart):
        parts.append(_text(left + column * (step + 0.5), bottom + 16, str(step or "in"), "middle muted"))
    for tensor in lifetimes:
        x, width = left + column * tensor.first, column * (tensor.last - tensor.first + 1)
        y, height = up.place(tensor.base + tensor.words), up.place(tensor.base) - up.place(tensor.base + tensor.words)
        note = f"{tensor.name}: words {tensor.base:,} to {tensor.base + tensor.words - 1:,}"
        parts.append(_bar(x, y, width, height, "tensor", note))
        label = next((text for text in (tensor.name, str(tensor.first or "in"))
                      if len(text) * _CHARACTER + 6 <= width), "")
        if label and height >= 14:
            parts.append(_text(x + width / 2, y + height / 2 + 4, label, "middle inside"))
    parts += [_text((left + right) / 2, bottom + 36, "layer", "middle muted"),
              _upright(14, bottom / 2, "address, words")]
    return _svg("Activation memory: addresses of tensors, by layer", bottom + 46, parts)


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{escape(title)}">\n'
            f'{body}\n</svg>')


def _legend(x: float) -> Iterable[str]:
    for cause in CAUSES:
        yield f'<rect class="{cause}" x="{x:.2f}" y="6" width="12" height="12"/>'
        yield _text(x + 17, 16, cause, "start")
        x += 40 + _CHARACTER * len(cause)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}"/>'


def _bar(x: float, y: float, width: float, height: float, kind: str, note: str) -> str:
    return (f'<rect class="bar {kind}" x="{x:.3f}" y="{y:.3f}" width="{width:.3f}" height="{height:.3f}">'
            f'<title>{escape(note)}</title></rect>')


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.2f}" y="{y:.2f}">{escape(text)}</text>'


def _upright(x: float, y: float, text: str) -> str:
    return f'<g transform="rotate(-90 {x:g} {y:g})">{_text(x, y, text, "middle muted")}</g>'


def _short(text: str, pixels: float) -> str:
    fits = int(pixels / _CHARACTER)
    return text if len(text) <= fits else text[:fits - 1] + "…"


def _powers(values: Sequence[float]) -> list[float]:
    """Whole logarithms to the base 2 around positive values, at most ten steps of one size."""
    low, high = math.floor(math.log2(min(values))), math.ceil(math.log2(max(values)))
    step = max(1, math.ceil((high - low) / 10))
    return list(range(low, low + step * max(1, math.ceil((high - low) / step)) + 1, step))


def _power(exponent: float) -> str:
    return f"{2 ** exponent:,}" if exponent >= 0 else f"1/{2 ** -exponent:,}"


def _near(points: Sequence[tuple[float, float, int]]) -> list[list[tuple[float, float, int]]]:
    """Groups of points, each at most 16 pixels from its group's first, so that labels do not cover each other."""
    groups: list[list[tuple[float, float, int]]] = []
    for point in points:
        for group in groups:
            if math.dist(group[0][:2], point[:2]) <= 16:
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as text: 1, 2, 3, 5 is "1-3, 5"."""
    runs = itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    ends = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in ends)
