"""Small designs on all fabrics, with counts worked out by hand, and what goes wrong."""

import json
import re
from pathlib import Path

import pytest

from nomul.gen.synth import synthesize as module
from nomul.gen.synth.synthesize import Resources, synthesize
from nomul.gen.synth.targets import TARGETS, TargetError, find_target
from nomul.gen.synth.tools import ToolError

ACCUMULATOR = """
module accumulator(input clk, input [7:0] a, output reg [7:0] q, output reg full);
  always @(posedge clk) begin q <= q + a; full <= &a; end
endmodule
"""
MULTIPLIER = """
module multiplier(input clk, input [7:0] a, input [7:0] b, output reg [15:0] q);
  always @(posedge clk) q <= a * b;
endmodule
"""
#: 8 bits of a carry chain, whose last bit needs no carry out, and an AND of 8: three LUT4, or two LUT6, of which one
#: has room for the LUT2 of a bit of the chain. A CCU2C has two bits, a CARRY4 has four.
EXPECTED = {
    "ecp5": Resources(luts=11, carries=4, ffs=9, dsps=0, memories=0),
    "ice40": Resources(luts=11, carries=7, ffs=9, dsps=0, memories=0),
    "gowin": Resources(luts=11, carries=8, ffs=9, dsps=0, memories=0),
    "xilinx": Resources(luts=9, carries=2, ffs=9, dsps=0, memories=0),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("synth")


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_resources_are_those_worked_out_by_hand(cache, target):
    result = synthesize(ACCUMULATOR, "accumulator", target, cache=cache)
    assert result.resources == EXPECTED[target]
    assert result.target == target
    assert result.folder.parent == cache


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_netlists_have_the_ports_of_the_design_and_cells_of_the_fabric_only(cache, target):
    result = synthesize(ACCUMULATOR, "accumulator", target, cache=cache)
    modules = json.loads(result.json.read_text())["modules"]
    assert set(modules) == {"accumulator"}
    top = modules["accumulator"]
    assert {name: len(port["bits"]) for name, port in top["ports"].items()} == {"clk": 1, "a": 8, "q": 8, "full": 1}
    assert len(top["cells"]) == sum(result.cells.values())
    verilog = result.verilog.read_text()
    assert re.search(r"module accumulator\(clk, a, q, full\);", verilog)
    for kind in result.cells:
        assert re.search(rf"^  {kind} ", verilog, re.MULTILINE)


@pytest.mark.parametrize("target", ["ecp5", "ice40"])
def test_multiplier_blocks_are_used_only_where_allowed(cache, target):
    assert synthesize(MULTIPLIER, "multiplier", target, dsp=True, cache=cache).resources.dsps == 1
    without = synthesize(MULTIPLIER, "multiplier", target, cache=cache).resources
    assert without.dsps == 0
    assert without.luts > 64                # as many partial products


def test_second_call_runs_no_tool_and_gives_the_same(cache, monkeypatch):
    first = synthesize(ACCUMULATOR, "accumulator", "ecp5", cache=cache)

    def run(*arguments, **options):
        raise AssertionError("a tool was run")

    monkeypatch.setattr(module, "run_tool", run)
    assert synthesize(ACCUMULATOR, "accumulator", "ecp5", cache=cache) == first
    with pytest.raises(AssertionError, match="a tool was run"):
        synthesize(ACCUMULATOR + "\n", "accumulator", "ecp5", cache=cache)


def test_error_in_the_verilog_is_one_line_with_the_place_and_the_log(tmp_path):
    with pytest.raises(ToolError) as caught:
        synthesize("module broken(input a;\nendmodule\n", "broken", "ecp5", cache=tmp_path)
    found = re.fullmatch(r"yosys failed: design\.v:1: ERROR: syntax error[^\n]*; see (.*/synthesis\.log)",
                         str(caught.value))
    assert found
    assert "syntax error" in Path(found[1]).read_text()


def test_wrong_name_of_the_top_module_is_an_error(tmp_path):
    with pytest.raises(ToolError, match=r"^yosys failed: .*other.*; see .*synthesis\.log$"):
        synthesize(ACCUMULATOR, "other", "ecp5", cache=tmp_path)


def test_cells_that_the_fabric_does_not_have_are_refused(tmp_path, monkeypatch):
    def run(tool, arguments, folder, outputs, **options):
        types = ("$mul", "$scopeinfo", "LUT4", "part")
        module = {"ports": {}, "attributes": {}, "cells": {kind: {"type": kind, "connections": {}} for kind in types}}
        library = {"part": {"attributes": {"src": "design.v"}}, "LUT4": {"attributes": {"blackbox": "1"}}}
        (folder / "netlist.json").write_text(json.dumps({"modules": {"top": module, **library}}))

    monkeypatch.setattr(module, "run_tool", run)
    with pytest.raises(ToolError, match=r"^yosys left cells in .*netlist\.json that the fabric does not have: "
                                        r"\$mul, part; see .*synthesis\.log$"):
        synthesize("", "top", "ecp5", cache=tmp_path)


def test_unknown_target_lists_the_known_ones(tmp_path):
    with pytest.raises(TargetError, match=r"^there is no target 'virtex' to synthesize for; known are ecp5, gowin, "
                                          r"ice40, xilinx$"):
        synthesize(ACCUMULATOR, "accumulator", "virtex", cache=tmp_path)


def test_targets_are_found_by_their_name():
    assert [find_target(name).name for name in TARGETS] == list(TARGETS)
