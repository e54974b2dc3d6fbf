"""Ports by name, and what is done with a board's configuration hash."""

import importlib
import threading
from dataclasses import replace

import numpy as np
import pytest

import nomul.sw.driver
from nomul.gen.presets import load_config, preset_names
from nomul.sw import container
from nomul.sw.container import ContainerError
from nomul.sw.driver.board import Board, BoardError
from nomul.sw.driver.device_model import DeviceModel
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.models import compiled_for, encoded, find_config, load_model
from nomul.sw.driver.ports import PROVIDERS
from nomul.sw.network import IntegerNetwork

from .conftest import tiny_network
from .hardware import small_config
from .test_sw_driver_board import compiled, device


def board(config):
    return Board(DeviceModel(config, lambda memories: ([], 0)))


@pytest.mark.parametrize("scheme", PROVIDERS)
def test_functions_that_open_other_ports_are_there(scheme):
    module, _, function = PROVIDERS[scheme].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_port_that_is_named_twice_is_refused():
    with pytest.raises(LinkError, match="port /dev/x is named twice"):
        nomul.sw.driver.open_several(["/dev/x", "/dev/x"])


def test_first_port_is_closed_if_the_second_cannot_be_opened():
    class Closing:
        closed = 0

        def close(self):
            Closing.closed += 1

    def provide(rest, **_):
        if rest == "bad":
            raise LinkError("no")
        return Closing()

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROVIDERS, "made", "tests_made:provide")
        patch.setattr(importlib, "import_module", lambda name: type("module", (), {"provide": staticmethod(provide)}))
        with pytest.raises(LinkError, match="no"):
            nomul.sw.driver.open_several(["made:a", "made:bad"])
    assert Closing.closed == 1


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_known_by_their_hash(name):
    assert find_config(load_config(name).hash).hash == load_config(name).hash


def test_network_for_a_board_of_unknown_configuration_names_the_way_out():
    config = small_config(weight_words=300)
    with pytest.raises(BoardError, match=rf"the configuration {config.hash}, which is none of the presets .*demo.*: "
                                         r"give the file .* \(--config\)"):
        board(config).push(tiny_network())
    host = board(config)
    host.config = small_config(weight_words=301)
    with pytest.raises(BoardError, match=rf"has the configuration {config.hash}, not test \({host.config.hash}\)"):
        host.push(tiny_network())


def test_network_is_compiled_for_the_boards_configuration_known_or_given(tmp_path):
    network = tiny_network()
    network.save(tmp_path / "x.network")
    preset = load_config("tiny")
    other = replace(preset, weight_words=300)
    for config, given in ((preset, None), (other, other)):
        for model in (network, tmp_path / "x.network", str(tmp_path / "x.network")):
            host = board(config)
            host.config = given
            result = host.push(model)
            assert result.name == "tiny"
            assert host.info().network_hash == result.network_hash
            assert host.pushed().config.hash == config.hash


def test_program_from_its_file_is_pushed_as_it_is(tmp_path):
    program = compiled()
    program.save(tmp_path / "x.program")
    assert Board(device(program)).push(tmp_path / "x.program").network_hash == program.hash
    assert load_model(tmp_path / "x.program").hash == program.hash


def test_checkpoint_is_refused_with_the_command_that_is_missing(tmp_path):
    container.save(tmp_path / "x", "checkpoint", {}, {})
    with pytest.raises(ContainerError, match="is a checkpoint file, but a network file is needed: `nomul quantize`"):
        load_model(tmp_path / "x")


def test_what_is_no_model_is_a_type_error():
    with pytest.raises(TypeError, match="takes a CompiledNetwork, an IntegerNetwork or the path .* not int"):
        compiled_for(5, "0" * 16)


def test_real_values_are_rounded_to_codes_as_the_network_says():
    program, network = compiled(), tiny_network()
    images = np.random.default_rng(0).normal(0, 60, (3, *program.input.shape))
    wanted = IntegerNetwork("x", 8, program.input, network.layers, {}).encode_images(images)
    np.testing.assert_array_equal(encoded(images, program), wanted)
    np.testing.assert_array_equal(encoded(wanted, program), wanted)
    with pytest.raises(BoardError, match="must be codes of type uint8, or real values as floats, not int64"):
        encoded(images.astype(int), program)


@pytest.mark.cosim
def test_virtual_board_leaves_no_thread_and_no_file_behind():
    before = set(threading.enumerate())
    with nomul.sw.driver.open("virtual", config=load_config("tiny")) as host:
        assert host.info().network_hash is None
        assert set(threading.enumerate()) != before
    assert set(threading.enumerate()) == before
    with pytest.raises(LinkError, match="it has been closed; open it again"):
        host.info()
