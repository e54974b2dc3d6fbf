import numpy as np
import pytest

from nomul.cosim.random_network import random_network
from nomul.gen.presets import load_config
from nomul.sw.coded_weights import code_weights, coded_stream
from nomul.sw.compile import compile_network
from nomul.sw.huffman import decode


@pytest.mark.parametrize("seed", range(6))
def test_decoded_sections_are_the_weight_memory(seed):
    config = load_config("tiny")
    compiled = compile_network(random_network(seed, config), config)
    layers = code_weights(compiled)
    found = np.concatenate([*decode(coded_stream(compiled)), np.zeros(0, np.int64)])
    words = found.reshape(-1, config.lanes)
    assert len(words) == len(compiled.weights)
    for word, raw in zip(words, compiled.weights, strict=True):
        whole = sum(int(code) << config.weight_bits * lane for lane, code in enumerate(word))
        assert whole == int.from_bytes(raw.tobytes(), "little")
    assert sum(layer.coded_bytes for layer in layers) == len(coded_stream(compiled))
    for layer in layers:
        assert not layer.streamed
        table = 8 * (3 + 30 + 2 * min(layer.weights, 1 << layer.weight_bits))
        assert layer.entropy <= layer.coded_bits < layer.entropy + 1 + (table + 8) / layer.weights
