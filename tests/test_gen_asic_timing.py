import pytest

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.timing import loads, time

from .tiny_cells import DFF, INV, NAND2, SLOPED, library, netlist


def test_a_net_is_loaded_by_its_pins_and_3_femtofarads_of_wire_to_each(tmp_path):
    cells = library(tmp_path, INV, NAND2)
    load = loads(netlist([("INV", {"A": "a", "Y": "b"}), ("NAND2", {"A": "a", "B": "b", "Y": "y"})], cells))
    assert load[ord("a")] == pytest.approx((2 + 3) + (1 + 3))
    assert load[ord("b")] == pytest.approx(1 + 3)
    assert load[ord("y")] == 0


def test_two_inverters_by_hand(tmp_path):
    cells = library(tmp_path, SLOPED)
    timing = time(netlist([("SLOPED", {"A": "a", "Y": "b"}), ("SLOPED", {"A": "b", "Y": "y"})], cells), cells)
    # a: slew 0.05. b: load 2 + 3 fF, 0.4 of the way from 1 to 11; slew 0.1 + 0.4·0.2 = 0.18. y: load 0, 0.1 below 1.
    b_rises = 0.10 + 0.4 * 0.1 - 0.125 * 0.04
    b_falls = 0.06 + 0.4 * 0.1 - 0.125 * 0.08
    y_rises = b_falls + 0.10 - 0.1 * 0.1 + 0.2 * 0.04
    y_falls = b_rises + 0.06 - 0.1 * 0.1 + 0.2 * 0.08
    assert timing.delay == pytest.approx(max(y_rises, y_falls)) == pytest.approx(0.201)
    assert timing.slews[ord("b")] == pytest.approx(0.18)
    assert timing.delays["u1", "A", "Y"] == pytest.approx((y_rises - b_falls + y_falls - b_rises) / 2)


def test_from_clock_to_setup(tmp_path):
    cells = library(tmp_path, INV, DFF)
    timing = time(netlist([("DFF", {"CLK": "c", "D": "d", "Q": "y"}), ("INV", {"A": "y", "Y": "d"})], cells,
                          inputs="", clock="c"), cells)
    assert timing.delay == pytest.approx(0.3 + 0.1 + 0.05)
    assert timing.launch == {ord("y"): pytest.approx(0.3)}


def test_inputs_come_from_flip_flops_and_the_longest_way_counts(tmp_path):
    cells = library(tmp_path, INV, NAND2, DFF)
    timing = time(netlist([("INV", {"A": "a", "Y": "b"}), ("INV", {"A": "b", "Y": "d"}),
                           ("NAND2", {"A": "d", "B": "a", "Y": "y"})], cells), cells)
    assert timing.delay == pytest.approx(0.3 + 0.1 + 0.1 + 0.2)


@pytest.mark.parametrize(("cells", "clock", "message"), [
    ([("INV", {"A": "y", "Y": "b"}), ("INV", {"A": "b", "Y": "y"})], "", "2 cells wait for each other"),
    ([("OR2", {"A": "a", "Y": "y"})], "", "cell 'u0' of type OR2 is not in the library tiny"),
    ([("DFF", {"CLK": "a", "D": "a", "Q": "b"}), ("DFF", {"CLK": "b", "D": "a", "Q": "y"})], "", "2 clocks"),
    ([("INV", {"A": "a", "Y": "b"}), ("DFF", {"CLK": "b", "D": "a", "Q": "y"})], "", "gated clocks are not measured"),
])
def test_what_is_not_measured_is_refused(tmp_path, cells, clock, message):
    with pytest.raises(AsicError, match=message):
        netlist(cells, library(tmp_path, INV, DFF), clock=clock)
