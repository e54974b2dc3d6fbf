import numpy as np
import pytest

from nomul.gen.asic.measure import measure
from nomul.gen.synth.tools import ToolError

from .tiny_cells import BUF, DFF, INV, NAND2, NOR2, library

ACCUMULATOR = """
module sums (input clk, input first, input [7:0] a, input [69:0] b, output reg [9:0] y);
    always @(posedge clk) y <= (first ? 10'd0 : y) + a + b[69:62];
endmodule
"""


def test_the_netlist_computes_what_the_design_says(tmp_path):
    cells = library(tmp_path, INV, BUF, NAND2, NOR2, DFF)
    rng = np.random.default_rng(7)
    a, b = rng.integers(0, 256, (12, 70)), rng.integers(0, 2, (12, 70, 70))
    first = rng.random((12, 70)) < 0.3
    result = measure(ACCUMULATOR, "sums", {"first": first, "a": a, "b": b}, cells)
    sums, expected = np.zeros(70, int), []
    for cycle in range(12):
        expected.append(sums)
        sums = (np.where(first[cycle], 0, sums) + a[cycle] + b[cycle, :, 62:] @ (1 << np.arange(8))) % 1024
    assert (result.outputs["y"] @ (1 << np.arange(10)) == expected).all()
    assert result.cells.keys() == {"INV", "NAND2", "NOR2", "DFF"}
    assert result.cells["DFF"] == 10
    assert result.area_um2 == result.cells["INV"] + 2 * (result.cells["NAND2"] + result.cells["NOR2"]) + 6 * 10
    assert result.energy_fj_per_cycle == result.energy.total > 0
    assert result.transitions == 11 * 70


def test_inputs_that_stay_cost_the_clock_only(tmp_path):
    cells = library(tmp_path, INV, BUF, NAND2, NOR2, DFF)
    stimulus = {"first": np.ones((4, 64), int), "a": np.full((4, 64), 5), "b": np.ones((4, 64, 70), int)}
    moving = measure(ACCUMULATOR, "sums", stimulus, cells)
    assert moving.outputs["y"][1:].any()
    still = measure(ACCUMULATOR, "sums", {name: 0 * values for name, values in stimulus.items()}, cells)
    assert still.energy.nets == still.energy.cells == still.toggles_per_cycle == 0
    assert still.energy_fj_per_cycle == still.energy.clock > 0
    assert still.area_um2 == moving.area_um2


def test_what_the_library_has_no_cell_for_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path))
    latch = "module top (input e, input d, output reg q); always_latch if (e) q = d; endmodule"
    with pytest.raises(ToolError, match="D latches are not supported"):
        measure(latch, "top", {}, library(tmp_path, INV, BUF, NAND2, NOR2, DFF))
