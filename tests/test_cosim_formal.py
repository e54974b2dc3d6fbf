import importlib.metadata

import pytest

from nomul.cosim import formal
from nomul.cosim.formal import RefutedError, prove
from nomul.gen.synth.tools import ToolError

#: Two registers in a row, in a module of their own, and what must come out of them.
PIPELINE = """
module pipe(input clk, input [1:0] d, output reg [1:0] q);
  reg [1:0] between;
  initial q = 0;
  always @(posedge clk) begin between <= d; q <= between; end
endmodule

module claim(input clk, input [1:0] d, input [1:0] q);
  reg [1:0] past1, past2;
  always @(posedge clk) begin past1 <= d; past2 <= past1; end
  always @* assert (q == past2);
endmodule

module top(input clk, input [1:0] d);
  wire [1:0] q;
  pipe pipe(.clk(clk), .d(d), .q(q));
  claim claim(.clk(clk), .d(d), .q(q));
endmodule
"""


def test_pipeline_is_proven_once_and_kept(tmp_path, monkeypatch):
    folder = prove(PIPELINE, "top", 2, folder=tmp_path)
    assert (folder / "design.v").read_text() == PIPELINE
    assert "DONE (PASS, rc=0)" in (folder / "sby.log").read_text()
    asked = []

    def no_tool(tool, *_, **__):
        asked.append(tool)
        raise ToolError("asked")

    monkeypatch.setattr(formal, "run_tool", no_tool)
    assert prove(PIPELINE, "top", 2, folder=tmp_path) == folder
    assert asked == []
    for verilog, latency in ((PIPELINE + "\n", 2), (PIPELINE, 3)):
        with pytest.raises(ToolError, match="^asked$"):
            prove(verilog, "top", latency, folder=tmp_path)


@pytest.mark.parametrize(("verilog", "latency"), [
    (PIPELINE, 1),                                                          # not yet forgotten how it began
    (PIPELINE.replace("q <= between", "q <= between | 2'd1"), 2),
    (PIPELINE.replace("q <= between", "if (d != 3) q <= between"), 2),      # wrong for one input in four
], ids=["latency", "logic", "corner"])
def test_false_assertion_is_refuted_by_a_trace_and_the_name_of_its_module(tmp_path, verilog, latency):
    with pytest.raises(RefutedError, match=r"^an assertion of claim does not hold; look at the ") as error:
        prove(verilog, "top", latency, folder=tmp_path)
    assert error.value.modules == ["claim"]
    assert "$enddefinitions" in error.value.trace.read_text()


def test_broken_design_is_an_error_and_no_counterexample(tmp_path):
    with pytest.raises(ToolError, match=r"^sby failed: design\.v:15: ERROR: syntax error.*; see ") as error:
        prove(PIPELINE.replace("wire [1:0] q;", "wire [1:0 q;"), "top", 2, folder=tmp_path)
    assert not isinstance(error.value, RefutedError)
    assert "\n" not in str(error.value)


def test_missing_tool_is_named(tmp_path, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ToolError, match=r"^sby is not installed; run: pip install 'nomul\[synth\]'$"):
        prove(PIPELINE, "top", 2, folder=tmp_path)
