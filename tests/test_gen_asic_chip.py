import json

import pytest

from nomul.gen.asic import chip
from nomul.gen.asic.chip import ChipResult, gate_area, measure_chip
from nomul.gen.asic.errors import AsicError
from nomul.gen.cli import main

from .tiny_cells import BUF, DFF, INV, NAND2, NOR2, library

VERILOG = """
module blink(input clk, input go, output led);
  wire next;
  counter counter(.clk(clk), .go(go), .led(led));
endmodule
module counter(input clk, input go, output led);
  reg [1:0] count;
  always @(posedge clk) count <= go ? count + 1 : count;
  assign led = count[1];
endmodule
"""
SCRIPT = """read_verilog blink.v
synth -flatten -noabc -top blink
dfflibmap -liberty cells.lib
abc -liberty cells.lib
splitnets
opt_clean -purge
write_json blink.json
write_verilog -noattr -noexpr blink.netlist.v
"""


def test_a_small_chip(tmp_path, monkeypatch):
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path / "cache"))
    cells, told = library(tmp_path, INV, NAND2, NOR2, BUF, DFF), []
    result = measure_chip({"blink.v": VERILOG, "blink.ys": SCRIPT}, "blink", cells, progress=told.append)
    assert (result.flip_flops, result.flip_flop_area_um2, result.blocks) == (2, 12, 0)
    assert result.area_um2 == pytest.approx(result.gate_equivalents * 2)
    assert result.area_um2 > 12
    assert result.path[0][0] == "counter.count"
    assert result.path[-1] == ("led", result.delay_ns)      # count[1], by the name that is nearest the top
    assert result.delay_ns > 0.3 + 0.04
    assert (result.folder / "blink.netlist.v").read_text().count("DFF ") == 2
    assert [line for line in told if "first time" not in line] == ["yosys: synthesis, which takes minutes"]
    assert measure_chip({"blink.v": VERILOG, "blink.ys": SCRIPT}, "blink", cells) == result
    assert "folder" not in result.to_dict()


def test_gates_are_counted_in_the_smallest_nand(tmp_path):
    assert gate_area(library(tmp_path, INV, NAND2)) == 2
    (tmp_path / "other").mkdir()
    without = library(tmp_path / "other", INV, DFF)
    with pytest.raises(AsicError, match="the library tiny has no cell called nand2 to count gates by"):
        gate_area(without)


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    result = ChipResult("tiny", 1000.0, 500.0, 90, 10, 470.0, 2, 50_000.0, 8.0, [("a.b", 0.3), ("c", 8.0)], tmp_path)
    monkeypatch.setattr(chip, "measure_chip", lambda files, top, cells, **_: result)
    monkeypatch.setenv("PATH", "/none")
    (tmp_path / "ihp_sg13g2_typ.lib").write_text(library(tmp_path, INV, NAND2).text())
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path))
    assert main(["bench", "chip", "--json", str(tmp_path / "chip.json")]) == 0
    out = capsys.readouterr().out
    for text in ("1,000 µm²", "10, 47 % of the area", "2, 50,000 µm² besides", "125.0 MHz, 8.00 ns", "from a.b to c",
                 "not installed"):
        assert text in out
    written = json.loads((tmp_path / "chip.json").read_text())
    assert (written["config"], written["board"], written["area_um2"], written["opensta_slack_ns"]) == (
        "chip", "ihp-sg13g2", 1000, None)
    assert written["path"][0] == {"at": "a.b", "ns": 0.3}


@pytest.mark.parametrize(("arguments", "message"), [
    (("--board", "sky130"), "unknown process 'sky130'; known are ihp-sg13g2, ihp-sg13g2-sram"),
    (("--config", "nothing"), "no configuration 'nothing'"),
    (("--library", "none.lib"), "holds neither none.lib")])
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "ihp_sg13g2_typ.lib").write_text(library(tmp_path, INV, NAND2).text())
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path))
    assert main(["bench", "chip", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("nomul: error: ")
    assert message in error
    assert error.count("\n") == 1
