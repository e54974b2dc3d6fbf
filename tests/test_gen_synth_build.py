"""Bitstreams: a small design through all tools of an ECP5, and what goes wrong with larger or slower ones."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nomul import boards
from nomul.boards import find_board
from nomul.boards.base import Step
from nomul.gen.cli import main
from nomul.gen.synth import build as build_module
from nomul.gen.synth.build import BuildError, build
from nomul.gen.synth.tools import CirclesError, ToolError

VERILOG = """
module blink(input clk, output led);
  reg [23:0] count = 0;
  always @(posedge clk) count <= count + 1;
  assign led = count[23];
endmodule
"""
SCRIPT = "read_verilog blink.v\nsynth_ecp5 -top blink\nwrite_json blink.json\n"
PINS = """LOCATE COMP "clk" SITE "G2";
IOBUF PORT "clk" IO_TYPE=LVCMOS33;
FREQUENCY PORT "clk" {mhz} MHZ;
LOCATE COMP "led" SITE "B2";
IOBUF PORT "led" IO_TYPE=LVCMOS33;
"""


#: Whose tools the designs go through.
CHIP = find_board("ulx3s-25f")


class Blinker:
    """As a board, with limits of our own."""

    name, family = "blinker", CHIP.family

    def __init__(self, mhz=25.0, luts=1000):
        self.clock_hz, self.resources = mhz * 1e6, {"luts": luts, "ffs": 1000, "memories": 0}

    def steps(self, top):
        return CHIP.steps(top)

    def files(self):
        pins = PINS.format(mhz=self.clock_hz / 1e6)
        return CHIP.scripts | {"blink.v": VERILOG, "blink.ys": SCRIPT, "blink.lpf": pins}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_a_bitstream_and_what_is_known_of_it(cache):
    told = []
    result = build(Blinker(), "blink", Blinker().files(), cache=cache, progress=told.append)
    assert result.bitstream.read_bytes()[:2] == b"\xff\x00"     # where an ECP5's bitstream begins
    assert result.resources["ffs"] == {"used": 24, "available": 1000}
    assert 24 <= result.resources["luts"]["used"] < 60
    assert result.resources["dsps"]["used"] == 0
    assert (result.constraint_mhz, result.board, result.top) == (25, "blinker", "blink")
    assert result.fmax_mhz > 150
    assert sum(float(step.split()[0]) for step in result.critical_path) == pytest.approx(1e3 / result.fmax_mhz, abs=0.2)
    assert [module for module, _ in result.path_modules] == ["the top module"]
    assert result.path_modules[0][1] == pytest.approx(1e3 / result.fmax_mhz, abs=0.1)
    logs = {path.name for path in result.bitstream.parent.glob("*.log")}
    assert logs == {"yosys.log", "python3.log", "nextpnr-ecp5.log", "ecppack.log"}
    assert [line for line in told if "first time" not in line] == [
        "yosys: synthesis", "python3: output registers",
        "nextpnr-ecp5: place and route, which takes minutes", "nextpnr-ecp5: placement",
        "nextpnr-ecp5: refined placement", "nextpnr-ecp5: routing", "ecppack: bitstream"]

    told.clear()
    assert build(Blinker(), "blink", Blinker().files(), cache=cache, progress=told.append) == result
    assert not told
    assert "bitstream" not in result.to_dict()


def test_too_slow_for_the_board(cache):
    board = Blinker(mhz=2000.0)
    with pytest.raises(BuildError, match=r"reaches \d+\.\d MHz, board blinker runs at 2000 MHz; the slowest path: "
                                         r"the top module \d+\.\d ns, step by step: .* ns clk-to-q .*; take a smaller"):
        build(board, "blink", board.files(), cache=cache)


def test_too_large_for_the_chip_is_said_before_it_is_placed(cache):
    board, told = Blinker(luts=10), []
    with pytest.raises(BuildError, match=r"takes \d+ look-up tables of 10, \d+ too many on board blinker: take"):
        build(board, "blink", board.files(), cache=cache, progress=told.append)
    assert not any(line.startswith("nextpnr") for line in told)


def test_a_tool_that_fails_is_named_with_its_log(cache):
    files = Blinker().files() | {"blink.v": "module blink(input clk, output led); assign led = nothing(;"}
    with pytest.raises(ToolError, match=r"yosys failed: .*syntax error.*; see .*yosys\.log"):
        build(Blinker(), "blink", files, cache=cache)


def test_after_a_router_that_goes_in_circles_come_the_other_one_and_other_seeds(tmp_path, monkeypatch):
    run_tool, tries, told = build_module.run_tool, [], []

    def routed(tool, arguments, *others, **options):
        if tool == "nextpnr-ecp5":
            tries.append((arguments[arguments.index("--seed") + 1], "router2" in arguments))
            if len(tries) < 3 or endless:
                raise CirclesError("in circles")
        return run_tool(tool, arguments, *others, **options)

    monkeypatch.setattr(build_module, "run_tool", routed)
    endless = False
    assert build(Blinker(), "blink", Blinker().files(), cache=tmp_path, progress=told.append).fmax_mhz > 25
    assert tries == [("1", False), ("1", True), ("2", False)]
    assert [line for line in told if "circles" in line] == [
        f"nextpnr-ecp5: its router goes in circles; once more, with {what}" for what in ("the other router", "seed 2")]
    endless = True
    with pytest.raises(CirclesError):
        build(Blinker(mhz=24.0), "blink", Blinker(mhz=24.0).files(), cache=tmp_path)
    assert len(tries) == 3 + 8
    assert tries[-1] == ("4", True)


def test_on_the_command_line(cache, tmp_path, monkeypatch, capsys):
    class Board(Blinker):
        """The small design under the name of a configuration, for all that the command needs."""

        preset, programming, bitstream = "tiny", "load TOP.bit", True

        def describe(self):
            return {"name": self.name}

        def emit(self, config, top):
            return [], {name.replace("blink", top): text.replace("blink", top) for name, text in self.files().items()}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOMUL_CACHE", str(cache))
    monkeypatch.setattr(boards, "BOARDS", (Board(),))
    assert main(["build", "--board", "blinker", "-o", "out", "--json", "build.json"]) == 0
    out = capsys.readouterr().out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"tiny.bit", "tiny.v", "manifest.json", "yosys.log", "nextpnr-ecp5.log", "ecppack.log"} <= names
    written = json.loads((tmp_path / "build.json").read_text())
    assert (written["board"], written["config"], written["bitstream"]) == ("blinker", "tiny", "out/tiny.bit")
    assert (written["constraint_mhz"], written["resources"]["ffs"]["used"]) == (25, 24)
    assert written["fmax_mhz"] > 150
    assert "clk-to-q" in written["critical_path"][0]
    assert "to load it: load out/tiny.bit" in out
    assert re.search(r"slowest path +the top module \d+\.\d ns", out)

    monkeypatch.setattr(boards, "BOARDS", (Board(mhz=2000.0),))
    assert main(["build", "--board", "blinker", "-o", "other"]) == 2
    assert "board blinker runs at 2000 MHz" in capsys.readouterr().err
    assert not (tmp_path / "other" / "tiny.bit").exists()


@pytest.mark.parametrize("board", [board for board in boards.BOARDS if board.bitstream], ids=lambda board: board.name)
def test_steps_of_the_boards_end_in_a_bitstream(board):
    steps = board.steps("top")
    rework = ["python3"] if board.family.name == "ecp5" else []
    assert [step.tool for step in steps][:-1] == ["yosys", *rework, board.family.place]
    assert steps[-1].outputs == (f"top.{board.family.suffix}",)
    assert all(isinstance(step, Step) for step in steps)


#: Builds the small design for a board, without its clock's constraint.
PROCESS = """
import sys
from pathlib import Path
from nomul.boards import find_board
from nomul.gen.synth.build import build

board = find_board(sys.argv[1])
pins = {"ecp5": "lpf", "ice40": "pcf"}[board.family.name]
script = f"read_verilog blink.v\\nsynth_{board.family.name} -top blink\\nwrite_json blink.json\\n"
files = board.scripts | {"blink.v": sys.argv[3], "blink.ys": script, f"blink.{pins}": sys.argv[4]}
print(build(board, "blink", files, cache=Path(sys.argv[2])).bitstream)
"""


def test_builds_side_by_side_do_not_collide(tmp_path):
    pins = {"ulx3s-25f": PINS.format(mhz=25), "hx8k-evn": "set_io clk J3\nset_io led C3\n"}
    started = [subprocess.Popen([sys.executable, "-c", PROCESS, board, str(tmp_path), VERILOG, pins[board]],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for board in ("ulx3s-25f", "ulx3s-25f", "hx8k-evn")]
    outputs = [process.communicate() for process in started]
    assert [errors for _, errors in outputs] == [""] * 3
    assert [process.returncode for process in started] == [0] * 3
    first, second, other = (Path(out.strip()) for out, _ in outputs)
    assert first == second != other
    assert {path.name for path in tmp_path.iterdir()} == {first.parent.name, other.parent.name}
    assert first.read_bytes()[:2] == b"\xff\x00"
    assert other.read_bytes()[:8] == b"\xff\x00\x00\xff\x7e\xaa\x99\x7e"
