"""The AXI peripheral under cocotb: the ends of its buses are cocotbext-axi's, which stall on every channel."""

import pytest

from nomul.cosim import benches
from nomul.cosim.harness import BenchError
from nomul.cosim.random_network import random_codes, random_network
from nomul.sw import reference
from nomul.sw.compile import compile_network

from .hardware import small_config

pytestmark = pytest.mark.cosim


# Each width is a simulator of its own, which takes most of the time: they share no code path in headers and words.
@pytest.mark.parametrize("width", [4, 8])
def test_networks_over_dma_are_bit_exact_and_broken_rules_are_named(width):
    config = small_config(weight_words=64, weight_stream=True, activation_words=512, frame_bytes=512)
    network = random_network(6, config)
    compiled, images = compile_network(network, config), random_codes(3, network, 4)
    assert len(compiled.weights)
    assert len(compiled.stream)
    logits = reference.trace(network, images)[network.layers[-1].name].reshape(len(images), -1)
    assert benches.run_axi(compiled, images, logits, width=width).tests == 9
    if width == 8:
        logits[1, 0] ^= 1
        with pytest.raises(BenchError, match="failed"):
            benches.run_axi(compiled, images, logits, width=width)
