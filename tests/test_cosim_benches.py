import cocotb
import pytest

from nomul.cosim import benches, harness
from nomul.cosim.harness import BenchError
from nomul.cosim.random_network import random_codes, random_network
from nomul.sw import reference
from nomul.sw.compile import compile_network

from .hardware import small_config

pytestmark = pytest.mark.cosim


def test_array_equals_numpy_in_cocotb():
    assert benches.run("array", small_config(), seed=1).tests == 6


def test_link_survives_a_bad_line_in_cocotb():
    assert benches.run("link", small_config(), seed=1).tests == 4


def test_accelerator_equals_the_reference_in_cocotb_and_a_wrong_bit_is_found():
    config = small_config(weight_words=64, weight_stream=True, activation_words=512, frame_bytes=512)
    network = random_network(6, config)
    compiled, images = compile_network(network, config), random_codes(3, network, 2)
    assert len(compiled.weights)
    assert len(compiled.stream)
    logits = reference.trace(network, images)[network.layers[-1].name].reshape(2, -1)
    assert benches.run_network(compiled, images, logits).tests == 2
    logits[1, 0] ^= 1
    with pytest.raises(BenchError, match="2 of 2 tests failed"):
        benches.run_network(compiled, images, logits)


def test_simulators_of_another_installation_are_built_again(monkeypatch):
    here = harness._key("module dut; endmodule", [])
    assert harness._key("module dut; endmodule", []) == here
    monkeypatch.setattr(cocotb, "__file__", "/elsewhere/cocotb/__init__.py")
    assert harness._key("module dut; endmodule", []) != here
