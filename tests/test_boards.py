import json
import os
import re
import stat

import pytest

from nomul.boards import BOARDS, BoardError, find_board
from nomul.boards.gowin import GowinPll
from nomul.boards.ice40 import Ice40Pll
from nomul.gen.cli import main
from nomul.gen.emit import generate
from nomul.gen.presets import load_config

from .hardware import small_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Generated without a single tool on PATH."""
    folder = tmp_path_factory.mktemp("board")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.devnull)
        generate(small_config(name="soc"), folder, find_board("ulx3s-85f"))
    return folder


def test_files_are_complete_and_have_no_paths(folder):
    names = {"soc.v", "soc.il", "soc.ys", "soc.lpf", "build_soc.sh", "output_registers.py", "config.toml",
             "registers.md", "registers.h", "manifest.json"}
    assert {path.name for path in folder.iterdir()} == names
    for name in ("soc.v", "soc.il", "soc.ys", "soc.lpf", "build_soc.sh"):
        text = (folder / name).read_text()
        assert text.endswith("\n")
        assert ".py" not in text.replace("output_registers.py", "")
    assert "disabled" not in (folder / "soc.v").read_text()
    assert "read_rtlil soc.il\n" in (folder / "soc.ys").read_text()
    assert (folder / "build_soc.sh").stat().st_mode & stat.S_IXUSR


def test_the_build_script_goes_the_way_of_nomul_build(folder):
    assert [line.split() for line in (folder / "build_soc.sh").read_text().splitlines() if line.startswith('"')] == [
        [f'"${step.tool.upper().replace("-", "_")}"', *step.arguments] for step in find_board("ulx3s-85f").steps("soc")]
    assert '"$PYTHON3" output_registers.py soc soc.json soc.reworked.json\n' in (folder / "build_soc.sh").read_text()


def test_pins_are_those_of_the_board(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    # ULX3S constraints file: clk_25mhz G2, ftdi_txd (to the FPGA) M1, ftdi_rxd (from it) L4, wifi_gpio0 L2.
    assert {port["name"]: (port["direction"], port["pins"]) for port in manifest["ports"]} == {
        "clk25_0__io": ("input", ["G2"]), "uart_0__rx__io": ("input", ["M1"]), "uart_0__tx__io": ("output", ["L4"]),
        "esp32_0__gpio0__io": ("output", ["L2"])}
    assert manifest["board"] == {"name": "ulx3s-85f", "summary": find_board("ulx3s-85f").summary,
                                 "clock_hz": 100_000_000, "baud": 3_000_000}
    constraints = (folder / "soc.lpf").read_text()
    for port in manifest["ports"]:
        assert f'LOCATE COMP "{port["name"]}" SITE "{port["pins"][0]}";' in constraints
    assert 'FREQUENCY PORT "clk25_0__io" 25000000.0 HZ;' in constraints
    assert "L3" not in constraints, "the FTDI chip drives TXDEN itself"


def test_pins_of_the_orangecrab(tmp_path):
    generate(small_config(name="soc"), tmp_path, find_board("orangecrab-r0-2"))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    # Schematic of r0.2: the oscillator at A9; IO_0, which is RX, at N17; IO_1, TX, at M18.
    assert {port["name"]: (port["direction"], port["pins"]) for port in manifest["ports"]} == {
        "clk_0__io": ("input", ["A9"]), "uart_0__rx__io": ("input", ["N17"]), "uart_0__tx__io": ("output", ["M18"])}
    assert 'FREQUENCY PORT "clk_0__io" 48000000.0 HZ;' in (tmp_path / "soc.lpf").read_text()


def test_same_configuration_gives_the_same_bytes(folder, tmp_path):
    generate(small_config(name="soc"), tmp_path, find_board("ulx3s-85f"))
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_memories_of_the_boards_preset_fit(board):
    board.check(load_config(board.preset))


def test_a_larger_memory_is_refused(tmp_path):
    board = find_board("ulx3s-85f")
    with pytest.raises(BoardError, match=r"needs \d+ block RAMs, board ulx3s-85f has 208: lower weight_words"):
        generate(small_config(weight_words=1 << 20), tmp_path / "new", board)
    assert not (tmp_path / "new").exists()


def test_a_larger_array_is_refused():
    # 47.3 look-up tables for each of 4096 shift PEs, by the table of docs/arrays.md.
    with pytest.raises(BoardError, match=r"its 64×64 processing elements alone take some 193741 look-up tables, board "
                                         r"ulx3s-25f has 24288: take fewer lanes"):
        find_board("ulx3s-25f").check(small_config(lanes=64, columns=64, operators=("shift",), frame_bytes=128))


def test_pins_of_the_hx8k_board(tmp_path):
    generate(small_config(name="soc", weight_words=64), tmp_path, find_board("hx8k-evn"))
    # Lattice EB85, iCE40HX-8K breakout board: the oscillator at J3, the FTDI chip's TXD at B10 and RXD at B12.
    lines = set((tmp_path / "soc.pcf").read_text().splitlines())
    assert {"set_io clk12_0__io J3", "set_io uart_0__rx__io B10", "set_io uart_0__tx__io B12",
            "set_frequency clk12_0__io 12.0"} <= lines
    assert len([line for line in lines if line.startswith("set_io")]) == 3
    script = (tmp_path / "build_soc.sh").read_text()
    assert '"$NEXTPNR_ICE40" --hx8k --package ct256 --pcf soc.pcf --asc soc.asc --json soc.json' in script
    assert '"$ICEPACK" soc.asc soc.bin' in script


def test_pins_and_memory_of_the_icebreaker(tmp_path):
    generate(small_config(name="soc"), tmp_path, find_board("icebreaker"))
    # iCEBreaker's schematic and constraints: the oscillator at 35, the FT2232H's BDBUS0 (TXD) at 6 and BDBUS1 at 9.
    lines = (tmp_path / "soc.pcf").read_text().splitlines()
    assert sorted(line for line in lines if line.startswith("set_io")) == [
        "set_io clk12_0__io 35", "set_io uart_0__rx__io 6", "set_io uart_0__tx__io 9"]
    assert (tmp_path / "soc.v").read_text().count("SB_SPRAM256KA") == 2     # words of 32 bits
    with pytest.raises(BoardError, match="needs 8 large RAMs, board icebreaker has 4: lower weight_words"):
        find_board("icebreaker").check(small_config(weight_words=65536))


def test_pins_of_the_tang_nano(tmp_path):
    generate(small_config(name="soc"), tmp_path, find_board("tang-nano-9k"))
    # Sipeed's schematic: the oscillator at 52, the BL702's TXD at 18 and RXD at 17.
    pins = dict(re.findall(r'IO_LOC "(\w+)" (\d+);', (tmp_path / "soc.cst").read_text()))
    assert pins == {"clk27_0__io": "52", "uart_0__rx__io": "18", "uart_0__tx__io": "17"}
    script = (tmp_path / "build_soc.sh").read_text()
    assert '"$NEXTPNR_HIMBAECHEL_GOWIN" --device GW1NR-LV9QN88PC6/I5 --vopt family=GW1N-9C --vopt cst=soc.cst' in script
    assert '"$GOWIN_PACK" -d GW1N-9C -o soc.fs soc.placed' in script


def test_boards_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["boards", "--json", "boards.json"]) == 0
    out = capsys.readouterr().out
    written = json.loads((tmp_path / "boards.json").read_text())["boards"]
    assert {"ulx3s-85f", "ulx3s-25f", "orangecrab-r0-2", "hx8k-evn", "icebreaker", "tang-nano-9k", "arty-a7-35",
            "pynq-z2"} == {entry["name"] for entry in written}
    for entry, board in zip(written, BOARDS, strict=True):
        assert board.name in out
        assert (entry["chip"], entry["clock_mhz"], entry["link"], entry["preset"], entry["bitstream"]) == (
            board.chip, board.clock_hz / 1e6, board.link, board.preset, board.bitstream)


def test_unknown_board_lists_the_boards():
    with pytest.raises(BoardError, match="unknown board 'arty'; known are ulx3s-85f"):
        find_board("arty")
    assert [find_board(board.name) for board in BOARDS] == list(BOARDS)


def test_rtlil_keeps_no_word_for_reads_that_collide(tmp_path):
    generate(small_config(name="soc"), tmp_path, find_board("hx8k-evn"))
    text = (tmp_path / "soc.il").read_text()
    ports = dict(re.findall(r'cell \$memrd_v2 .*\n    parameter \\MEMID "\\\\(\w+)\S*"\n(?:    parameter .*\n)*?'
                            r"    parameter \\COLLISION_X_MASK 1'(\d)\n", text))
    # And of the accumulators, whose words pass by their memory when they are read as they are written.
    assert {ports[name] for name in ("program", "weights", "parameters", "activations", "image",
                                     "bank0_0", "bank1_0")} == {"1"}


@pytest.mark.parametrize(("name", "pll", "clock_hz", "texts"), [
    # 12 MHz times 48 by 32 and by 16; 27 MHz times 2, whose oscillator is 8 times that.
    ("icebreaker", Ice40Pll("SB_PLL40_PAD", 47, 5), 18_000_000, ("SB_PLL40_PAD", "DIVF(7'h2f)", "DIVQ(3'h5)")),
    ("hx8k-evn", Ice40Pll("SB_PLL40_CORE", 47, 4), 36_000_000, ("SB_PLL40_CORE", "DIVF(7'h2f)", "DIVQ(3'h4)")),
    ("tang-nano-9k", GowinPll(2, 1, 8), 54_000_000, ("rPLL", 'FCLKIN("27")', "FBDIV_SEL(32'd1)", "ODIV_SEL(32'd8)"))])
def test_a_pll_makes_another_clock(tmp_path, name, pll, clock_hz, texts):
    fields = {"pll": pll, "clock_hz": clock_hz}
    board = type("Fast", (type(find_board(name)),), fields)()
    assert board.divisor == clock_hz // board.baud
    generate(small_config(name="soc"), tmp_path, board)
    text = (tmp_path / "soc.v").read_text()
    assert all(each in text for each in texts)
    if name == "tang-nano-9k":
        assert "--freq 54 " in (tmp_path / "build_soc.sh").read_text()
    else:       # nextpnr derives the rate behind the PLL
        assert "set_frequency clk12_0__io 12.0" in (tmp_path / "soc.pcf").read_text()
