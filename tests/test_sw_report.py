import json
from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.link import SimulationLink
from nomul.cosim.random_layer import random_array_layer
from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.cli import main
from nomul.gen.presets import load_config
from nomul.gen.spec.operators import Operator
from nomul.sw.network import Add, ArrayLayer, IntegerNetwork, MaxPool, Tensor
from nomul.sw.report import report

from .hardware import small_config

CONFIG = small_config()     # 4 lanes × 4 columns, activations of 8 bits


def by_hand():
    """5×5 pixels of 3 channels; a 3×3 layer of 6 channels, its pooling, a sum, and 2 logits."""
    chance = np.random.default_rng(3)
    image = Tensor(3, 5, 5, 0, -4)
    conv = random_array_layer(chance, CONFIG, "conv", image, "input", operator=Operator.L1, channels=6, kernel=(3, 3),
                              stride=1, padding=0, terms=1, dilation=1, groups=1)
    small = Tensor(6, 1, 1, conv.output.zero_point, conv.output.exponent)
    pool = MaxPool("pool", "conv", (3, 3), 1, small)
    total = Add("add", ("pool", "pool"), (0, 0), 0, 0, 255, small)
    logits = random_array_layer(chance, CONFIG, "out", small, "add", operator=Operator.SHIFT, channels=2,
                                kernel=(1, 1), stride=1, padding=0, terms=2, dilation=1, groups=1, logits=True)
    return IntegerNetwork("by hand", 8, image, (conv, pool, total, logits), {})


def test_operations_and_traffic_by_hand():
    layers = report(by_hand(), CONFIG).layers
    assert [(layer.name, layer.kind, layer.output) for layer in layers] == [
        ("conv", "l1", "6×3×3"), ("pool", "max_pool", "6×1×1"), ("add", "add", "6×1×1"), ("out", "shift", "2×1×1")]
    assert [layer.operations for layer in layers] == [6 * 3 * 9 * 9, 0, 0, 2 * 2 * 6]
    # Two groups of 4 columns read 9 windows of 27 taps, 7 words; two words are pooled; two sums of two; two words in
    # two terms.
    assert [layer.cycles.busy for layer in layers] == [2 * 9 * 7, 2 * 9, 2 * 2, 2 * 2]
    word = 4 * 8
    assert [layer.bits_read for layer in layers] == [126 * word, 18 * word, 4 * word, 4 * word]
    assert [layer.bits_written for layer in layers] == [9 * 2 * word, 2 * word, 2 * word, 0]
    weight = CONFIG.weight_bits
    assert [layer.weight_bits for layer in layers] == [6 * 7 * 4 * weight, 0, 0, 2 * 4 * 4 * weight]


def test_bits_of_weights_by_hand():
    """Half of the logits' weights are 1, a quarter 2 and a quarter 0: entropy and Huffman code of 1.5 bits."""
    config = small_config(operators=("shift",), weight_words=4, weight_stream=True)
    image = Tensor(4, 1, 1, 0, -4)
    layer = random_array_layer(np.random.default_rng(0), config, "out", image, "input", operator=Operator.SHIFT,
                               channels=8, kernel=(1, 1), stride=1, padding=0, terms=1, dilation=1, groups=1,
                               logits=True)
    layer = replace(layer, weight=np.tile([1, 0, 1, 2], 8).reshape(layer.weight.shape).astype(np.int16))
    network = IntegerNetwork("by hand", 8, image, (layer,), {})
    result = report(network, config)
    table = 3 + 2 * 15 + 2 * 3
    assert [(each.weight_bits, each.entropy_bits, each.coded_bits, each.streamed) for each in result.layers] == [
        (32 * config.weight_bits, 48, 8 * table + 48, True)]
    assert result.streamed_bits == result.total("weight_bits") == 32 * config.weight_bits
    assert report(network, replace(config, weight_words=8)).streamed_bits == 0


def test_its_cycles_are_those_of_the_simulation():
    config = load_config("tiny")
    network = random_network(4, config)
    result = report(network, config)
    from nomul.sw.compile import compile_network
    from nomul.sw.driver.board import Board
    with Board(SimulationLink(config)) as board:
        board.push(compile_network(network, config))
        assert board.run(random_codes(0, network, 2)).cycles.tolist() == [result.cycles] * 2
        spent = board.cycles()
    for cause in ("busy", "weights", "accumulators", "drain"):
        assert spent[cause] == sum(getattr(layer.cycles, cause) for layer in result.layers)
    assert spent["fetch"] == sum(layer.cycles.fetch for layer in result.layers) + result.end_cycles
    assert spent["total"] == result.cycles
    assert result.cycles == sum(layer.cycles.total for layer in result.layers) + result.end_cycles
    operations = sum(layer.weight.size * layer.output.height * layer.output.width for layer in network.layers
                     if isinstance(layer, ArrayLayer))
    assert result.utilization == pytest.approx(operations / (result.cycles * config.lanes * config.columns))


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = load_config("tiny")
    network = random_network(4, config)
    network.save("x.network")
    assert main(["report", "x.network", "--config", "tiny", "--clock", "50", "--json", "x.json"]) == 0
    out = capsys.readouterr().out
    written = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    result = report(network, config)
    assert (written["cycles"], len(written["layers"])) == (result.cycles, len(network.layers))
    assert written["layers"][0]["cycles"]["total"] == result.layers[0].cycles.total
    assert f"{result.cycles} cycles an image for {result.operations} operations" in out
    assert f"{50e6 / result.cycles:.1f} images a second at 50 MHz" in out
    assert main(["report", "x.network", "--config", "tiny", "--clock", "0"]) == 2
    assert "--clock must be greater than 0, not 0" in capsys.readouterr().err
