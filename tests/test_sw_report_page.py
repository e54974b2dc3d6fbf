import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from nomul.cosim.random_network import random_network
from nomul.gen.cli import main
from nomul.gen.presets import load_config
from nomul.sw.compile import compile_network
from nomul.sw.network import IntegerNetwork
from nomul.sw.report import report
from nomul.sw.report_page import lifetimes, report_page

from .hardware import small_config
from .test_sw_report import by_hand

CONFIG = small_config()
VOID = {"meta"}


class Page(HTMLParser):
    """Tags with their attributes; opening and closing ones must match. Cells of the table, figures."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def page(clock=None):
    network = by_hand()
    return report_page(network, compile_network(network, CONFIG), clock)


def test_the_page_is_well_formed_and_so_are_its_images():
    parsed = Page(page())
    assert [tag for tag, _ in parsed.tags[:2]] == ["html", "head"]
    assert parsed.texts["h2"] == ["Cycles", "Roofline", "Activation memory", "Layers"]
    images = re.findall(r"<svg.*?</svg>", page(), re.DOTALL)
    assert [ElementTree.fromstring(image).tag for image in images] == ["svg"] * 3


def test_nothing_refers_to_the_outside():
    text = page(100)
    assert not re.search(r"https?:|//|url\(|@import", text)
    parsed = Page(text)
    assert not {tag for tag, _ in parsed.tags} & {"script", "link", "img", "iframe", "object", "image", "use"}
    assert not {name for _, attributes in parsed.tags for name in attributes} & {"src", "href", "xlink:href", "style"}


def test_figures_and_table_are_those_of_the_report():
    expected = report(by_hand(), CONFIG)
    parsed = Page(page(100))
    assert parsed.texts["h1"] == ["by hand on test"]
    figures = dict(zip(parsed.texts["dt"], parsed.texts["dd"], strict=True))
    assert figures["cycles an image"] == f"{expected.cycles:,}"
    assert figures["utilization"] == f"{100 * expected.utilization:.1f} %"
    assert figures["operations"] == "1,482"
    assert figures["images a second at 100 MHz"] == f"{1e8 / expected.cycles:,.1f}"
    columns, rows = parsed.texts["th"], re.findall(r"<tr><td.*?</tr>", page(), re.DOTALL)
    cells = [dict(zip(columns, re.findall(r"<td[^>]*>(.*?)</td>", row), strict=True)) for row in rows]
    assert [(cell["#"], cell["layer"], cell["cycles"]) for cell in cells] == [
        (str(number), layer.name, f"{layer.cycles.total:,}") for number, layer in enumerate(expected.layers, start=1)]
    assert cells[1]["kind"] == "max pool"
    # 4 × 4 lanes are compared or added for 0.03 pJ, 6 words of 32 bits moved for 1.3875 pJ a bit.
    assert cells[2]["energy, nJ"] == f"{(16 * 0.03 + 6 * 32 * 1.3875) / 1e3:.2f}"


def test_without_a_clock_there_are_no_images_a_second():
    assert "images a second" not in page()


def test_both_colour_schemes_give_every_class_of_a_bar_its_colour():
    style = re.search(r"<style>(.*?)</style>", page(), re.DOTALL).group(1)
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for name in ("busy", "weights", "accumulators", "drain", "fetch", "tensor", "page", "ink"):
        assert f"--{name}: #" in light
        assert f"--{name}: #" in dark
        assert f"var(--{name})" in style


def test_names_are_no_markup():
    network = by_hand()
    evil = IntegerNetwork("<b>&", network.activation_bits, network.input, network.layers, {})
    text = report_page(evil, compile_network(evil, small_config(name='"><script>')), None)
    assert Page(text).texts["h1"] == ['<b>& on "><script>']
    assert "<script>" not in text
    assert "<b>" not in text


def test_lifetimes_are_from_the_writer_to_the_last_reader():
    network = by_hand()
    found = lifetimes(network, compile_network(network, CONFIG))
    assert [(tensor.name, tensor.first, tensor.last) for tensor in found] == [
        ("input", 0, 1), ("conv", 1, 2), ("pool", 2, 2), ("add", 3, 4)]
    assert [tensor.words for tensor in found[1:]] == [9 * 2, 2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_tensors_that_live_together_do_not_share_words(seed):
    config = load_config("tiny")
    network = random_network(seed, config)
    found = lifetimes(network, compile_network(network, config))
    words = np.zeros((len(found) + 1, config.activation_words), int)
    for tensor in found:
        words[tensor.first:tensor.last + 1, tensor.base:tensor.base + tensor.words] += 1
    assert words.max() == 1
    assert words.sum() == sum((tensor.last - tensor.first + 1) * tensor.words for tensor in found)


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = load_config("tiny")
    network = random_network(4, config)
    network.save("x.network")
    assert main(["report", "x.network", "--config", "tiny", "--clock", "50", "--html", "x.html"]) == 0
    assert capsys.readouterr().out.endswith("x.html\n")
    expected = report_page(network, compile_network(network, config), 50)
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == expected
    assert main(["report", "x.network", "--config", "tiny", "--html", "none/x.html"]) == 2
    assert "no folder none to write x.html into" in capsys.readouterr().err
