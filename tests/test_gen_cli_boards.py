"""`nomul push`, `run`, `info` with virtual boards: models of both kinds, images of all kinds, several boards."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import nomul.sw.driver
from nomul.boards import BOARDS
from nomul.cosim.random_network import random_network
from nomul.cosim.virtual_board import VirtualBoard
from nomul.gen.cli import main
from nomul.gen.cli.images import join_images, random_codes
from nomul.gen.cli.screen import RateColumn
from nomul.gen.presets import load_config
from nomul.sw import reference
from nomul.sw.compile import compile_network
from nomul.sw.driver.board import Board
from nomul.sw.driver.link import LinkError
from nomul.sw.network import IntegerNetwork, NetworkError, Tensor
from nomul.sw.png import read_png

from .test_gen_cli import fails


@pytest.fixture
def codes(network, tmp_path):
    """Eight images in a file, and what the network says about them."""
    model = IntegerNetwork.load(network)
    codes = random_codes(model.input, 8, 8)
    np.save(tmp_path / "codes.npy", codes)
    return tmp_path / "codes.npy", reference.trace(model, codes)["logits"].reshape(8, -1)


def succeeds(capsys, *arguments):
    assert main([str(value) for value in arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.cosim
def test_network_is_compiled_for_the_boards_configuration_and_runs_on_two_boards(network, codes, tmp_path, capsys):
    path, expected = codes
    ports = ("--port", "virtual", "--port", "virtual", "--config", "tiny")
    out = succeeds(capsys, "push", network, *ports, "--json", tmp_path / "push.json")
    assert out.count("virtual: tiny loaded and verified by checksum") == 2
    for board in json.loads((tmp_path / "push.json").read_text())["boards"]:
        assert board["bytes_sent"] == board["bytes"] > 0
    out = succeeds(capsys, "run", network, path, *ports, "-o", tmp_path / "logits.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), expected)
    assert out.splitlines()[1].split()[0] == "0"        # so few images are shown


@pytest.mark.cosim
def test_info_tells_who_is_there_and_what_it_holds(network, tmp_path, capsys):
    out = succeeds(capsys, "info", "--port", "virtual", "--config", "tiny", "--json", tmp_path / "info.json")
    found = json.loads((tmp_path / "info.json").read_text())
    config = load_config("tiny")
    assert (found["config"], found["config_hash"], found["network_hash"], found["frame_bytes"]) == (
        "tiny", config.hash, None, config.frame_bytes)
    assert found["registers"]["CONFIG_HIGH"] == int(config.hash[:8], 16)
    assert config.hash in out


def test_program_that_is_no_file_of_ours_is_refused_before_a_port_is_opened(tmp_path, capsys):
    (tmp_path / "x").write_bytes(b"x" * 100)
    assert "'x' is truncated or no nomul file" in fails(capsys, "push", tmp_path / "x", "--port", "none").replace(
        f"{tmp_path}/", "")


def test_port_that_is_given_twice_is_refused(network, capsys):
    assert "--port /dev/x is given twice" in fails(capsys, "push", network, "--port", "/dev/x", "--port", "/dev/x")


def test_unknown_virtual_board_lists_the_boards(network, capsys):
    assert f"unknown board 'toaster'; known are {BOARDS[0].name}" in fails(
        capsys, "push", network, "--port", "virtual:toaster")


@pytest.mark.parametrize(("speed", "finished", "shown"), [
    (None, None, ""), (12345.6, None, "12,346 bytes/s"), (1.234, None, "1.23 bytes/s"), (5.0, 99.9, "100 bytes/s")])
def test_progress_bar_tells_the_rate(speed, finished, shown):
    assert str(RateColumn("bytes").render(SimpleNamespace(speed=speed, finished_speed=finished))) == shown


# Images. ----------------------------------------------------------------------------------------------------


def picture(path, pixels):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(pixels).save(path)
    return path


def test_bytes_of_a_picture_are_its_codes(tmp_path):
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 256, (5, 7), np.uint8), rng.integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(read_png(picture(tmp_path / "g.png", grey), (1, 5, 7), 8), grey[None])
    np.testing.assert_array_equal(read_png(picture(tmp_path / "c.png", colour), (3, 5, 7), 8),
                                  colour.transpose(2, 0, 1))
    assert read_png(tmp_path / "g.png", (3, 5, 7), 8).shape == (3, 5, 7)
    # Of 4 bits: the nearest sixteenth, at most 15.
    np.testing.assert_array_equal(read_png(tmp_path / "g.png", (1, 5, 7), 4)[0],
                                  np.minimum((grey.astype(int) + 8) // 16, 15))


@pytest.mark.parametrize(("shape", "message"), [
    ((1, 7, 5), "has 7×5 pixels, but the network takes 5×7: scale it first"),
    ((2, 5, 7), "is a picture, but the network takes 2 channels: give a .npy file")])
def test_picture_that_does_not_fit_is_refused(shape, message, tmp_path):
    path = picture(tmp_path / "x.png", np.zeros((5, 7), np.uint8))
    with pytest.raises(NetworkError, match=message):
        read_png(path, shape, 8)


def test_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(NetworkError, match=r"x\.png is no \.png file, or truncated"):
        read_png(tmp_path / "x.png", (1, 8, 8), 8)


def test_images_of_several_sources_follow_each_other_and_have_names(tmp_path):
    tensor = Tensor(1, 8, 8, exponent=-8)
    first, second = random_codes(tensor, 8, 2, 0), random_codes(tensor, 8, 1, 1)
    np.save(tmp_path / "two.npy", first)
    path = picture(tmp_path / "one.png", second[0, 0])
    images, names = join_images([str(tmp_path / "two.npy"), str(path), "digits"], tensor, 8)
    assert images.labels is None
    np.testing.assert_array_equal(images.codes[:3], np.concatenate([first, second]))
    assert len(images.codes) == len(names) == 3 + 450
    assert names[1:4] == [f"{tmp_path}/two.npy 1", str(path), "digits 0"]
    images, names = join_images(["digits", "digits"], tensor, 8)
    assert len(images.labels) == 900


@pytest.mark.cosim
def test_pictures_get_a_class_each(network, tmp_path, capsys):
    model = IntegerNetwork.load(network)
    codes = random_codes(model.input, 8, 2)
    paths = [picture(tmp_path / f"{n}.png", image[0]) for n, image in enumerate(codes)]
    logits = reference.trace(model, codes)["logits"].reshape(2, -1)
    compile_network(model, load_config("tiny")).save(tmp_path / "tiny.program")
    lines = succeeds(capsys, "run", tmp_path / "tiny.program", *paths, "--port", "virtual").splitlines()
    assert [line.split() for line in lines[1:3]] == [
        [str(path), f"{best.argmax()}:", str(best.max())] for path, best in zip(paths, logits, strict=True)]


# A virtual board of one's own. ------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "message"), [
    ((), "say which board it is by --board, or which configuration it has by --config"),
    (("--board", "toaster"), "unknown board 'toaster'"),
    (("--config", "tiny", "--noise", "2"), "probabilities of faults must be from 0 to less than 1"),
    (("--config", "tiny", "--reset-after", "-1"), "a reset must come after 0 bytes or more, not -1")])
def test_virtual_board_that_cannot_be_is_refused(arguments, message, capsys):
    assert message in fails(capsys, "virtual-board", *arguments)


@pytest.mark.cosim
def test_virtual_board_whose_cable_comes_off_ends_and_says_so(network):
    command = [sys.executable, "-m", "nomul.gen.cli", "virtual-board", "--config", "tiny", "--disconnect-after", "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        port = re.fullmatch(r"virtual board of tiny \(\w{16}\) at (\S+); Ctrl-C ends it\n", line)[1]
        with nomul.sw.driver.open(port, 1_000_000, timeout=60) as board, \
                pytest.raises(LinkError, match="is the board still plugged in"):
            board.push(network)
        assert process.stdout.read() == "the cable has come off\n"
    assert process.returncode == 0


@pytest.mark.cosim
def test_interrupted_push_ends_with_130_and_the_next_one_goes_on(network, tmp_path, monkeypatch, capsys):
    updated = Board.update

    def interrupted(board, sections, first):
        for count, done in enumerate(updated(board, sections, first)):
            yield done
            if count == 0:
                raise KeyboardInterrupt

    with VirtualBoard(load_config("tiny")) as virtual:
        monkeypatch.setattr(Board, "update", interrupted)
        assert main(["push", str(network), "--port", virtual.port]) == 130
        monkeypatch.undo()
        assert succeeds(capsys, "info", "--port", virtual.port, "--json", tmp_path / "i.json")
        assert json.loads((tmp_path / "i.json").read_text())["network_hash"] is None
        out = succeeds(capsys, "push", network, "--port", virtual.port)
        sent_bytes, total = map(int, re.search(r"(\d+) of (\d+) bytes sent", out).groups())
        assert 0 < sent_bytes < total
        assert f" 0 of {total} bytes sent" in succeeds(capsys, "push", network, "--port", virtual.port)


@pytest.mark.cosim
def test_run_on_a_board_by_name_tells_what_its_clock_and_line_would_allow(tmp_path, capsys):
    board = min((board for board in BOARDS if board.baud),
                key=lambda board: load_config(board.preset).lanes * load_config(board.preset).columns)
    network = random_network(5, load_config(board.preset))
    network.save(tmp_path / "x.network")
    np.save(tmp_path / "codes.npy", random_codes(network.input, network.activation_bits, 5))
    succeeds(capsys, "run", tmp_path / "x.network", tmp_path / "codes.npy", "--port", f"virtual:{board.name}",
             "--json", tmp_path / "run.json")
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["images_per_second_array"] == pytest.approx(board.clock_hz / found["cycles_per_image"])
    assert found["images_per_second_line"] > 0
