import itertools
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from nomul.sw.cycles import LayerCycles
from nomul.sw.report import LayerReport, Report
from nomul.sw.report_charts import CAUSES, Lifetime, cycles_chart, memory_chart, roofline_chart

from .hardware import small_config

CONFIG = small_config()     # 4 × 4 processing elements, words of 32 bits


def layer(name, operations, cycles, bits_read=64):
    spent = LayerCycles(*cycles)
    return LayerReport(name, "l1", "1×1×1", operations, spent, operations / spent.total / 16, 0, 0, 0, 0,
                       False, bits_read, 0)


def report(*layers):
    return Report("net", CONFIG, list(layers), 16)


THREE = report(layer("first", 1600, (100, 5, 20, 7, 16), 3200), layer("pool", 0, (30, 0, 0, 7, 16)),
               layer("last", 64, (8, 160, 0, 40, 16), 256))


def bars(image):
    """Rows of (kind, x, width) by height."""
    rows = {}
    for bar in image.iter("rect"):
        if "bar" in bar.get("class").split():
            kind = bar.get("class").removeprefix("bar ")
            rows.setdefault(float(bar.get("y")), []).append((kind, float(bar.get("x")), float(bar.get("width"))))
    return [rows[y] for y in sorted(rows)]


def texts(image):
    return [text.text for text in image.iter("text")]


def test_bars_add_up_to_the_cycles_of_each_layer():
    rows = bars(ElementTree.fromstring(cycles_chart(THREE)))
    assert len(rows) == 3
    pixels = rows[0][0][2] / 100
    for row, counted in zip(rows, THREE.layers, strict=True):
        spent = {cause: getattr(counted.cycles, cause) for cause in CAUSES}
        assert [kind for kind, _, _ in row] == [cause for cause in CAUSES if spent[cause]]
        for (kind, x, width), (_, following, _) in zip(row, [*row[1:], (None, None, None)], strict=True):
            assert width == pytest.approx(pixels * spent[kind], abs=2e-3)
            assert following is None or x + width == pytest.approx(following, abs=2e-3)
        assert sum(width for _, _, width in row) == pytest.approx(pixels * counted.cycles.total, abs=1e-2)
        assert row[0][1] == rows[0][0][1]


def test_bars_are_labelled_and_causes_are_explained():
    shown = texts(ElementTree.fromstring(cycles_chart(THREE)))
    assert set(CAUSES) <= set(shown)
    assert {"1  first", "2  pool", "3  last"} <= set(shown)
    assert {"148 · 67.6 %", "53", "224 · 1.8 %"} <= set(shown)


def test_long_names_are_cut_and_names_are_no_markup():
    image = ElementTree.fromstring(cycles_chart(report(layer("<script>" * 9, 16, (1, 2, 3, 4, 5)))))
    name, = (text for text in texts(image) if text.startswith("1  "))
    assert name.startswith("1  <script><script>")
    assert name.endswith("…")
    assert image.find("rect/title").text == "<script>" * 9 + ": 1 cycles busy"


def test_points_of_the_roofline_lie_between_axes_and_limits():
    image = ElementTree.fromstring(roofline_chart(THREE))
    circles = [(float(circle.get("cx")), float(circle.get("cy"))) for circle in image.iter("circle")]
    assert len(circles) == 2        # a pooling has no operations
    slope, roof = [[float(line.get(key)) for key in ("x1", "y1", "x2", "y2")] for line in image.iter("line")
                   if line.get("class") == "limit"]
    # 16 operations a cycle and 32 bits a cycle meet where a bit serves half an operation: the first layer's place.
    assert slope[2:] == roof[:2]
    assert roof[1] == roof[3]
    assert circles[0][0] == pytest.approx(roof[0], abs=0.02)
    assert circles[0][1] > roof[1]          # SVG counts downwards
    # A power of two of either axis, as the axes' numbers lie.
    numbers = {text.text: text for text in image.iter("text") if text.get("class") == "middle muted"}
    across = float(numbers["1/4"].get("x")) - float(numbers["1/2"].get("x"))
    assert circles[1][0] - circles[0][0] == pytest.approx(across, abs=0.02)
    up = [float(text.get("y")) for text in image.iter("text") if text.get("class") == "end muted"]
    assert circles[0][1] - roof[1] == pytest.approx((up[0] - up[1]) * math.log2(16 / (1600 / 148)), abs=0.02)
    notes = [circle.find("title").text for circle in image.iter("circle")]
    assert notes == ["1 first: 10.8 operations a cycle, 0.50 for a bit",
                     "3 last: 0.3 operations a cycle, 0.25 for a bit"]
    assert {"array: 16 operations a cycle", "memory: 32 bits a cycle", "1", "3"} <= set(texts(image))


def test_layers_of_the_same_place_share_a_label():
    same = [replace(THREE.layers[0], name=f"layer {number}") for number in range(5)]
    image = ElementTree.fromstring(roofline_chart(report(*same[:3], THREE.layers[1], *same[3:])))
    assert "1-3, 5-6" in texts(image)


def test_labels_of_the_roofline_do_not_cover_each_other():
    """Many layers near the limit take two lines, and one a little slower has its own below."""
    fast, slow = (layer(name, 1600, (cycles, 0, 0, 0, 0), 3200) for name, cycles in (("fast", 100), ("slow", 115)))
    image = ElementTree.fromstring(roofline_chart(report(*[fast, THREE.layers[1]] * 30, slow)))
    labels = [(float(text.get("x")), float(text.get("y"))) for text in image.iter("text")
              if text.get("class") == "start" and re.fullmatch(r"[-, \d]+", text.text)]
    assert len(labels) >= 3
    for one, other in itertools.combinations(labels, 2):
        assert abs(one[1] - other[1]) >= 15


def test_a_network_whose_layers_all_reach_the_limit_has_a_roofline():
    image = ElementTree.fromstring(roofline_chart(report(layer("full", 1600, (100, 0, 0, 0, 0), 3200))))
    circle, = image.iter("circle")
    roof = [line for line in image.iter("line") if line.get("class") == "limit"][1]
    assert (circle.get("cx"), circle.get("cy")) == (roof.get("x1"), roof.get("y1"))


def test_tensors_lie_at_their_addresses_while_they_live():
    tensors = [Lifetime("input", 0, 40, 0, 1), Lifetime("a", 40, 60, 1, 3), Lifetime("b", 0, 20, 2, 3)]
    image = ElementTree.fromstring(memory_chart(tensors, 100, 3))
    places = {bar.find("title").text: [float(bar.get(key)) for key in ("x", "y", "width", "height")]
              for bar in image.iter("rect")}
    first, second, third = (places[note] for note in ("input: words 0 to 39", "a: words 40 to 99", "b: words 0 to 19"))
    column, word = first[2] / 2, first[3] / 40
    assert second == pytest.approx([first[0] + column, first[1] - 60 * word, 3 * column, 60 * word], abs=5e-3)
    assert third == pytest.approx([first[0] + 2 * column, first[1] + 20 * word, 2 * column, 20 * word], abs=5e-3)
    assert {"input", "a", "b", "in", "1", "3", "100"} <= set(texts(image))


def test_names_that_do_not_fit_a_tensor_are_its_number_or_nothing():
    tensors = [Lifetime("a tensor with a rather long name " * 3, 0, 50, 7, 8), Lifetime("thin", 90, 1, 0, 30)]
    shown = texts(ElementTree.fromstring(memory_chart(tensors, 100, 60)))
    assert shown.count("7") + shown.count("thin") == 1


@pytest.mark.parametrize("chart", [cycles_chart(THREE), roofline_chart(THREE), memory_chart([], 4, 2)])
def test_charts_need_no_colours_or_sources_of_their_own(chart):
    assert not re.search(r"#[0-9a-f]{3}|https?:|href|url\(|style=", chart)
    assert ElementTree.fromstring(chart).get("aria-label")
