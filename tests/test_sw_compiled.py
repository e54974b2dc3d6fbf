"""Compiled networks: their files, and what the host needs of them."""


import numpy as np
import pytest

from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.presets import load_config, preset_names
from nomul.gen.spec.config import ConfigError
from nomul.gen.spec.program import DESCRIPTOR_WORDS
from nomul.gen.spec.registers import REGISTERS
from nomul.sw import container, golden
from nomul.sw.compile import compile_network
from nomul.sw.compiled import CompiledNetwork, CompiledNetworkError
from nomul.sw.container import ContainerError
from nomul.sw.machine import Machine
from nomul.sw.network import Tensor

from .hardware import small_config
from .test_sw_compile import one_layer, residual_network, unfolded_config


def test_file_gives_back_the_same_program(tmp_path):
    config = small_config(weight_words=512)
    compiled = compile_network(residual_network(), config)
    digest = compiled.save(tmp_path / "p")
    loaded = CompiledNetwork.load(tmp_path / "p")
    assert loaded.hash == compiled.hash == digest
    assert loaded.network_hash == residual_network().hash
    assert (loaded.config, loaded.config_hash) == (config, config.hash)
    for key in ("program", "weights", "parameters"):
        assert getattr(loaded, key).dtype == getattr(compiled, key).dtype
        assert np.array_equal(getattr(loaded, key), getattr(compiled, key))
    for key in ("name", "steps", "input", "windows", "classes", "tensors", "metadata"):
        assert getattr(loaded, key) == getattr(compiled, key)


def test_compiling_again_gives_the_same_bytes(tmp_path):
    for name in "ab":
        config = small_config(weight_words=4096, parameter_words=256, activation_words=512, program_layers=32)
        compile_network(random_network(5, config), config).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_program_of_another_interface_version_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nomul.gen.spec.config.INTERFACE_VERSION", 0)
        compile_network(residual_network(), small_config(weight_words=512)).save(tmp_path / "p")
    with pytest.raises(CompiledNetworkError, match="another version of the accelerator .* compile the network again"):
        CompiledNetwork.load(tmp_path / "p")


def test_network_file_is_no_program(tmp_path):
    residual_network().save(tmp_path / "n")
    with pytest.raises(ContainerError, match="is a network file, but a program file is needed: `nomul compile`"):
        CompiledNetwork.load(tmp_path / "n")


def test_program_with_an_impossible_configuration_is_refused(tmp_path):
    compile_network(residual_network(), small_config(weight_words=512)).save(tmp_path / "p")
    content = container.load(tmp_path / "p")
    content.header["config"]["lanes"] = 3
    container.save(tmp_path / "p", "program", content.header, content.tensors)
    with pytest.raises(ConfigError, match="lanes must be one of"):
        CompiledNetwork.load(tmp_path / "p")


def test_registers_describe_the_loaded_network():
    compiled = compile_network(residual_network(), small_config(weight_words=512))
    registers = compiled.registers()
    assert registers.keys() <= {register.name for register in REGISTERS if register.writable}
    assert registers["RESULT_COUNT"] == 3
    # Channels, kernel, and windows in a row and in all are less one.
    assert registers["INPUT_MAP"] == 5 | 4 << 11 | (5 - 1) << 22
    assert registers["INPUT_WINDOW"] == (3 - 1) | (3 - 1) << 6 | 2 << 12 | 1 << 16 | 1 << 20 | 7 << 24
    assert registers["INPUT_BASE"] >> 20 == 2
    assert registers["INPUT_OUTPUT"] == (2 - 1) | (6 - 1) << 11
    assert f"{registers['NETWORK_HIGH']:08x}{registers['NETWORK_LOW']:08x}" == compiled.hash


def test_image_bytes_are_in_the_order_y_x_channel():
    compiled = compile_network(one_layer(Tensor(2, 1, 3, 0, 0), np.ones((1, 2, 1, 3))), small_config())
    assert compiled.image_bytes(np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8)) == bytes([1, 4, 2, 5, 3, 6])
    for image in (np.zeros((1, 2, 3), np.uint8), np.zeros((2, 1, 3))):
        with pytest.raises(CompiledNetworkError, match=r"must be uint8 codes of shape \(2, 1, 3\)"):
            compiled.image_bytes(image)


def test_program_has_one_record_a_layer_and_the_end():
    compiled = compile_network(residual_network(), unfolded_config())
    assert (compiled.program.dtype, compiled.program.shape) == (np.uint32, (7, DESCRIPTOR_WORDS))
    rows = compiled.summary()
    assert [row["layer"] for row in rows] == ["first", "second", "total", "largest", "mean", "last", ""]
    assert [row["operation"] for row in rows] == ["l1", "sign", "add", "max", "add", "l1", "end"]
    assert (rows[0]["weight words"], rows[5]["output"]) == (108, "results")


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_runs_a_network(name):
    config = load_config(name)
    network = random_network(1, config)
    compiled = compile_network(network, config)
    machine, codes = Machine(config), random_codes(0, network, 1)
    machine.load(compiled)
    assert compiled.network_hash == network.hash
    assert machine.run(codes[0])[0].tolist() == golden.run(network, codes)[0].tolist()
