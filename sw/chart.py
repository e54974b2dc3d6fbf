"""Line charts as SVG, for curves of a training and of results: a file that every browser shows, without a library."""

import math
from collections.abc import Sequence
from html import escape

__all__ = ["Axis", "line_chart", "stack", "ticks"]

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 34, 44
#: Okabe and Ito's colours, which colour-blind people tell apart.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


def line_chart(title: str, x_label: str, y_label: str, series: dict[str, Points]) -> str:
    """An SVG image of curves with points, named beside the chart.

    Parameters
    ----------
    series : dict of str to sequence of (x, y)
        Finite numbers; at least one point in all.
    """
    points = [point for curve in series.values() for point in curve]
    marks = [ticks(min(values), max(values)) for values in zip(*points, strict=True)]
    across = Axis(marks[0], _LEFT, _WIDTH - _RIGHT)
    up = Axis(marks[1], _HEIGHT - _BOTTOM, _TOP)
    parts = [_text(_LEFT, 18, title, weight="bold"),
             _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, x_label, "middle"),
             f'<g transform="rotate(-90 14 {_HEIGHT / 2:g})">{_text(14, _HEIGHT / 2, y_label, "middle")}</g>']
    for value in marks[1]:
        y = up.place(value)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{value:g}", "end"))
    parts += [_text(across.place(value), _HEIGHT - _BOTTOM + 16, f"{value:g}", "middle") for value in marks[0]]
    for index, (name, curve) in enumerate(series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        places = [(across.place(x), up.place(y)) for x, y in curve]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
        parts.append(_text(_WIDTH - _RIGHT + 12, _TOP + 10 + 18 * index, name, colour=colour))
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" '
            f'font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n')


def stack(charts: Sequence[str]) -> str:
    """Several charts below each other as one SVG image."""
    parts = "".join(f'<g transform="translate(0 {_HEIGHT * number})">\n{chart}</g>\n'
                    for number, chart in enumerate(charts))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT * len(charts)}">\n{parts}'
            f'</svg>\n')


class Axis:
    """From the range of the marks to the range of the image.

    Parameters
    ----------
    marks : sequence of float
        Ascending; the first lies at `start`, the last at `end`.
    start, end : float
        In the image.
    """

    def __init__(self, marks: Sequence[float], start: float, end: float):
        self.low, self.high, self.start, self.end = marks[0], marks[-1], start, end

    def place(self, value: float) -> float:
        """Where a value lies in the image."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers around a range, two to eleven of them."""
    span = high - low or abs(high) or 1
    step = 10.0 ** math.floor(math.log10(span / 2))
    step *= next(factor for factor in (1, 2, 5) if span / (step * factor) <= 9)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [float(f"{number * step:.12g}") for number in range(first, max(last, first + 1) + 1)]


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal", colour: str = "#222") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
            f'{escape(text)}</text>')
