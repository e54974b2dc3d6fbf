"""`nomul demo` on a small share of the digits: its files, its JSON, its second run, and its exit code."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from nomul.gen.cli import main
from nomul.gen.presets import load_config
from nomul.sw import data, datasets, golden, recipe
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.network import IntegerNetwork

pytestmark = pytest.mark.cosim
IMAGES = 20


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    """One epoch on 300 images, 20 test images."""
    digits = data.digits()
    small = dataclasses.replace(
        digits, train_images=digits.train_images[:300], train_labels=digits.train_labels[:300],
        test_images=digits.test_images[:IMAGES], test_labels=digits.test_labels[:IMAGES])
    monkeypatch.setitem(datasets.DATASETS, "digits", lambda: small)
    whole = recipe.load_recipe
    monkeypatch.setattr(recipe, "load_recipe", lambda name: dataclasses.replace(whole(name), epochs=1))
    monkeypatch.chdir(tmp_path)


def demo(*arguments: str) -> dict:
    """Runs the demo, which must succeed, and returns its JSON."""
    assert main(["demo", "--json", "results.json", *arguments]) == 0
    return json.loads(Path("results.json").read_text())


def test_three_networks_run_on_one_accelerator_and_a_second_run_reuses_their_checkpoints(capsys):
    results = demo()
    out = capsys.readouterr().out
    assert [network["name"] for network in results["networks"]] == ["adder", "shift", "shiftadd"]
    assert results["config_hash"] == load_config("demo").hash
    assert results["multipliers"] == 0
    for network in results["networks"]:
        assert {"float_accuracy", "golden_accuracy", "hardware_accuracy", "images", "differing_bits",
                "cycles_per_image", "weight_stream_bytes", "files"} < set(network)
        assert network["images"] == IMAGES
        assert network["differing_bits"] == 0
        assert 0 <= network["golden_accuracy"] == network["hardware_accuracy"] <= 100
        assert network["cycles_per_image"] > 1000
        assert f"{network['name']}: trained, quantized, compiled" in out
        assert all(Path(path).is_file() for path in network["files"].values())
        compiled = CompiledNetwork.load(network["files"]["program"])
        assert compiled.network_hash == IntegerNetwork.load(network["files"]["network"]).hash
        assert compiled.weight_stream_bytes == network["weight_stream_bytes"]
        assert np.load(network["files"]["logits"]).shape == (IMAGES, 10)
    assert all(Path(path).is_file() for path in results["files"])

    assert demo() == results
    assert "shiftadd: took the checkpoint of an earlier run" in capsys.readouterr().out
    assert demo("--fresh") == results
    assert "shiftadd: trained" in capsys.readouterr().out


def test_one_differing_bit_is_counted_and_makes_the_exit_code_1(monkeypatch):
    exact = golden.run
    monkeypatch.setattr(golden, "run", lambda *inputs: exact(*inputs) ^ np.eye(IMAGES, 10, dtype=np.int16))
    assert main(["demo", "--json", "results.json"]) == 1
    networks = json.loads(Path("results.json").read_text())["networks"]
    assert [network["differing_bits"] for network in networks] == [10, 10, 10]
