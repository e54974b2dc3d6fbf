import json

import pytest

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.netlist import Block, read_netlist
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


def test_the_path_names_its_nets_and_when_they_switch(tmp_path):
    cells = library(tmp_path, INV, NAND2, DFF)
    timing = time(netlist([("INV", {"A": "a", "Y": "b"}), ("INV", {"A": "b", "Y": "d"}),
                           ("NAND2", {"A": "d", "B": "a", "Y": "y"})], cells), cells)
    assert [(chr(net), at) for net, at in timing.path] == [
        ("a", pytest.approx(0.3)), ("b", pytest.approx(0.4)), ("d", pytest.approx(0.5)), ("y", pytest.approx(0.7))]


def test_a_block_gives_its_outputs_late_and_wants_its_inputs_early(tmp_path):
    cells = library(tmp_path, INV, DFF)
    names = {"c": 2, "from_ram": 3, "to_ram": 4, "y": 5}
    directions = {"A_CLK": "input", "A_DIN": "input", "A_DOUT": "output"}
    module = {
        "ports": {"c": {"direction": "input", "bits": [2]}, "y": {"direction": "output", "bits": [5]}},
        "netnames": {name: {"hide_name": 0, "bits": [bit]} for name, bit in names.items()},
        "cells": {
            "ram": {"type": "RAM", "port_directions": directions,
                    "connections": {"A_CLK": [2], "A_DIN": [4], "A_DOUT": [3]}},
            "inverter": {"type": "INV", "connections": {"A": [3], "Y": [4]}},
            "register": {"type": "DFF", "connections": {"CLK": [2], "D": [4], "Q": [5]}}}}
    text = json.dumps({"modules": {"top": module}})
    read = read_netlist(text, "top", cells, {"RAM": Block(area=1000, access=2.0, setup=0.4)})
    assert (read.area, [block.area for block in read.blocks.values()]) == (7, [1000])
    timing = time(read, cells)
    assert timing.delay == pytest.approx(2.0 + 0.1 + 0.4)
    assert [read.names[net] for net, _ in timing.path] == ["from_ram", "to_ram"]
    assert loads(read)[4] == pytest.approx(1 + 3 + 10 + 3)
    with pytest.raises(AsicError, match="cell 'ram' of type RAM is not in the library tiny"):
        read_netlist(text, "top", cells)


@pytest.mark.parametrize(("cells", "clock", "message"), [
    ([("INV", {"A": "y", "Y": "b"}), ("INV", {"A": "b", "Y": "y"})], "", "2 cells wait for each other"),
    ([("OR2", {"A": "a", "Y": "y"})], "", "cell 'u0' of type OR2 is not in the library tiny"),
    ([("DFF", {"CLK": "a", "D": "a", "Q": "b"}), ("DFF", {"CLK": "b", "D": "a", "Q": "y"})], "", "2 clocks"),
    ([("INV", {"A": "a", "Y": "b"}), ("DFF", {"CLK": "b", "D": "a", "Q": "y"})], "", "gated clocks are not measured"),
])
def test_what_is_not_measured_is_refused(tmp_path, cells, clock, message):
    with pytest.raises(AsicError, match=message):
        netlist(cells, library(tmp_path, INV, DFF), clock=clock)
