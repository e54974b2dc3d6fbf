"""A small design on the devices of three families, without its ports."""

import json

import pytest

from nomul.gen.synth import place as module
from nomul.gen.synth.place import place_and_route
from nomul.gen.synth.synthesize import Resources, Synthesis, synthesize
from nomul.gen.synth.targets import TargetError
from nomul.gen.synth.tools import ToolError

#: Reset and enable come from ports that place and route does not see. With 600 port bits, it would find no pins.
DESIGN = """
module design(input clk, input rst, input en, input [299:0] a, output reg [7:0] q, output [299:0] copy);
  reg [7:0] first;
  assign copy = a;
  always @(posedge clk) begin
    first <= a[7:0];
    if (rst) q <= 0; else if (en) q <= q + first;
  end
endmodule
"""
COMBINATIONAL = "module design(input a, input b, output c); assign c = a ^ b; endmodule\n"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("synth")


@pytest.mark.parametrize(("target", "device"), [("ecp5", "LFE5U-25F-6BG381"), ("ice40", "iCE40HX8K-CT256"),
                                                ("gowin", "GW1NR-LV9QN88PC6/I5")])
def test_design_is_routed_without_its_ports(cache, target, device):
    result = place_and_route(synthesize(DESIGN, "design", target, cache=cache), seed=2, cache=cache)
    assert (result.target, result.device, result.seed) == (target, device, 2)
    assert result.ffs == 16
    # 8 bits of a carry chain; its ends, a constant and the enable take at most as many again.
    assert 8 <= result.luts <= 16
    # A register, a wire and 8 bits of carry take no less than 1 ns and no more than 8 ns on any of these.
    assert 125 < result.fmax_mhz < 1000
    assert "clk-to-q" in result.critical_path[0]
    assert "setup" in result.critical_path[-1]
    delays = [float(step.split(" ns ")[0]) for step in result.critical_path]
    assert sum(delays) == pytest.approx(1000 / result.fmax_mhz, abs=0.005 * len(delays) + 0.01)
    assert result.log.is_file()


def test_second_call_runs_no_tool_and_gives_the_same(cache, monkeypatch):
    synthesis = synthesize(DESIGN, "design", "ecp5", cache=cache)
    first = place_and_route(synthesis, cache=cache)

    def run(*arguments, **options):
        raise AssertionError("a tool was run")

    monkeypatch.setattr(module, "run_tool", run)
    assert place_and_route(synthesis, cache=cache) == first
    with pytest.raises(AssertionError, match="a tool was run"):
        place_and_route(synthesis, seed=7, cache=cache)


def test_combinational_design_has_no_clock_rate(cache):
    synthesis = synthesize(COMBINATIONAL, "design", "ecp5", cache=cache)
    with pytest.raises(ToolError, match=r"^nextpnr-ecp5 found no path between two registers in .*netlist\.v, so there "
                                        r"is no clock rate; put registers before and after the logic; see .*\.log$"):
        place_and_route(synthesis, cache=cache)


def test_target_without_place_and_route_names_those_that_have_it(tmp_path):
    with pytest.raises(TargetError, match=r"^designs for 'xilinx' are synthesized but not routed; targets with place "
                                          r"and route are ecp5, gowin, ice40$"):
        place_and_route(sized(tmp_path, "xilinx", 1, 1), cache=tmp_path)


def sized(tmp_path, target: str, luts: int, ffs: int, dsps: int = 0) -> Synthesis:
    """A synthesis that claims to take that much."""
    netlist = tmp_path / "netlist.json"
    netlist.write_text(json.dumps({"modules": {"design": {"ports": {"a": {}}, "cells": {}}}}))
    resources = Resources(luts=luts, carries=0, ffs=ffs, dsps=dsps, memories=0)
    return Synthesis(target, {}, resources, netlist, tmp_path / "netlist.v", tmp_path)


@pytest.mark.parametrize(("luts", "ffs", "dsps", "size"), [(21000, 21000, 28, "--25k"), (22000, 0, 0, "--85k"),
                                                           (0, 22000, 0, "--85k"), (0, 0, 29, "--85k")])
def test_larger_device_is_taken_when_the_smaller_one_would_be_full(tmp_path, monkeypatch, luts, ffs, dsps, size):
    """A 25F has 24288 LUTs and flip-flops, and 28 multipliers of 18 bits."""
    def run(tool, arguments, folder, outputs, **options):
        assert json.loads((folder / arguments[arguments.index("--json") + 1]).read_text())["modules"]["design"][
            "ports"] == {}
        utilization = {"TRELLIS_COMB": {"used": luts}, "TRELLIS_FF": {"used": ffs}}
        report = {"fmax": {"clk": {"achieved": 100}, "slow": {"achieved": 50}}, "utilization": utilization,
                  "critical_paths": []}
        (folder / "report.json").write_text(json.dumps(report))
        (folder / "place.log").write_text(" ".join(arguments))

    monkeypatch.setattr(module, "run_tool", run)
    result = place_and_route(sized(tmp_path, "ecp5", luts, ffs, dsps), cache=tmp_path / "cache")
    assert size in result.log.read_text().split()
    assert result.device == f"LFE5U-{size[2:4]}F-6BG381"
    assert (result.luts, result.ffs, result.fmax_mhz) == (luts, ffs, 50)


@pytest.mark.parametrize(("luts", "dsps"), [(7000, 0), (8, 1)])
def test_design_that_fits_no_device_is_an_error_with_the_room_there_is(tmp_path, luts, dsps):
    with pytest.raises(TargetError) as caught:
        place_and_route(sized(tmp_path, "ice40", luts, 9, dsps), cache=tmp_path)
    assert str(caught.value) == (
        f"{luts} LUTs, 9 flip-flops and {dsps} multiplier blocks do not fit iCE40HX8K-CT256, the largest device of "
        "target 'ice40', where 7680 and 7680, both up to 90%, and 0 can be used; take fewer lanes or columns, or leave "
        "out place and route")
