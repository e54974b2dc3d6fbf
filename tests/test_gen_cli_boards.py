"""`nomul push`, `run`, `info` with virtual boards: models of both kinds, images of all kinds, several boards."""

import json

import numpy as np
import pytest

from nomul.boards import BOARDS
from nomul.gen.cli import main
from nomul.gen.cli.images import join_images, random_codes
from nomul.gen.presets import load_config
from nomul.sw import reference
from nomul.sw.compile import compile_network
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
