from xml.etree import ElementTree

import pytest

from nomul.sw.chart import line_chart, stack

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text):
    return ElementTree.fromstring(text)


def points(image):
    return [[tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
            for line in image.iter(f"{SVG}polyline")]


def texts(image):
    return [text.text for text in image.iter(f"{SVG}text")]


def test_points_lie_where_their_values_are_between_the_ticks():
    image = parsed(line_chart("title", "x", "y", {"a": [(0, 10), (5, 20), (10, 30)], "b": [(5, 15)]}))
    first, second = points(image)
    assert len(list(image.iter(f"{SVG}circle"))) == 4
    assert first[1] == ((first[0][0] + first[2][0]) / 2, (first[0][1] + first[2][1]) / 2)
    assert first[0][0] < first[1][0] < first[2][0]
    assert first[0][1] > first[1][1] > first[2][1]  # SVG counts downwards
    assert second[0] == (first[1][0], (first[0][1] + first[1][1]) / 2)
    shown = texts(image)
    assert {"title", "x", "y", "a", "b", "0", "10", "30"} <= set(shown)


@pytest.mark.parametrize(("values", "expected"), [
    ([0, 1], "0 0.2 0.4 0.6 0.8 1"), ([98.3, 99.4], "98.2 98.4 98.6 98.8 99 99.2 99.4"), ([7, 7], "5 10"),
    ([0, 0], "0 0.2 0.4 0.6 0.8 1"), ([-3, 60], "-10 0 10 20 30 40 50 60"), ([1e-5, 4e-5], None)])
def test_ticks_are_round_numbers_around_the_values(values, expected):
    image = parsed(line_chart("", "x", "y", {"a": [(0, values[0]), (1, values[1])]}))
    heights = [float(line.get("y1")) for line in image.iter(f"{SVG}line")]
    for _, y in points(image)[0]:
        assert min(heights) <= y <= max(heights)
    labels = [text.text for text in image.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
    assert 2 <= len(labels) <= 11
    if expected and values not in ([7, 7], [0, 0]):
        assert labels == expected.split()


def test_names_are_text_whatever_is_in_them():
    assert "a < b & c" in texts(parsed(line_chart("a < b & c", "x", "y", {"<": [(0, 0)]})))


def test_charts_are_stacked():
    one = line_chart("one", "x", "y", {"a": [(0, 0), (1, 1)]})
    image = parsed(stack([one, one.replace("one", "two")]))
    assert float(image.get("height")) == 2 * float(parsed(one).get("height"))
    assert [text for text in texts(image) if text in ("one", "two")] == ["one", "two"]
