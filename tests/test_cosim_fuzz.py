"""The fuzzer: nothing differs, and what is made to differ is found, made small, told and kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim import fuzz as fuzzer
from nomul.cosim.fuzz import Checker, Counts, fuzz
from nomul.cosim.fuzz_configs import named_config
from nomul.cosim.random_layer import Bounds
from nomul.cosim.random_network import random_codes, random_network
from nomul.cosim.shrink import shrink, smaller
from nomul.gen.cli import main
from nomul.gen.presets import load_config
from nomul.gen.spec.config import Config
from nomul.gen.spec.program import Mode, Opcode, pack
from nomul.sw import compile as compiler
from nomul.sw import golden
from nomul.sw.compile import CompileError
from nomul.sw.driver.board import Board
from nomul.sw.driver.link import LinkError
from nomul.sw.network import Add, ArrayLayer, AveragePool, IntegerNetwork, MaxPool

TINY = load_config("tiny")


def wide(seed):
    network = random_network(seed, TINY, Bounds.wide(TINY))
    return network, random_codes(seed, network, 3)


@pytest.fixture(scope="module")
def checker():
    return Checker(TINY)


@pytest.fixture
def _wide_maximum_is_broken(monkeypatch):
    """Programs in which a max pool forgets the last of three columns."""
    exact = fuzzer.compile_network

    def broken(network, config):
        compiled = exact(network, config)
        descriptors = compiled.descriptors()
        for fields in descriptors:
            if fields["opcode"] == Opcode.VECTOR and fields["mode"] == Mode.MAX and fields["kernel_width"] == 3:
                fields["kernel_width"] = 2
                fields["tap_row_step"] += fields["channel_words"]
        return replace(compiled, program=np.array([pack(**fields) for fields in descriptors], np.uint32))

    monkeypatch.setattr(fuzzer, "compile_network", broken)


# On hardware. -----------------------------------------------------------------------------------------------


@pytest.mark.cosim
def test_random_networks_do_not_differ():
    counts, failure = fuzz([TINY, load_config("demo")], 25, 0)
    assert failure is None, f"seed {failure.seed} on {failure.config.name}: {failure.reason}"
    assert [count.networks for count in counts] == [13, 12]
    assert min(count.values for count in counts) > 5000


@pytest.mark.cosim
@pytest.mark.usefixtures("_wide_maximum_is_broken")
def test_defect_is_found_and_shrunk_to_the_layer_that_has_it():
    counts, failure = fuzz([TINY], 100, 0)
    assert counts[0].networks == failure.seed + 1
    pool, _ = failure.network.layers
    assert isinstance(pool, MaxPool)
    assert pool.kernel[1] == 3
    assert failure.codes.shape[:2] == (1, 1)
    assert failure.codes.size <= 25
    assert failure.small_reason.startswith(f"image 0, layer {pool.name}, channel 0, pixel (y ")


@pytest.mark.cosim
@pytest.mark.usefixtures("_wide_maximum_is_broken")
def test_command_tells_and_keeps_the_small_network_and_exits_with_1(tmp_path, monkeypatch, capsys):
    arguments = ["fuzz", "--config", "tiny", "--networks", "100", "--keep", str(tmp_path), "--json",
                 str(tmp_path / "fuzz.json")]
    assert main(arguments) == 1
    text, result = capsys.readouterr().out, json.loads((tmp_path / "fuzz.json").read_text())
    seed = result["failure"]["seed"]
    assert f"seed {seed} on tiny: image " in text
    assert f"again: nomul fuzz --networks 1 --seed {seed} --config tiny\n" in text
    stem = f"{tmp_path}/fuzz-{seed}-tiny"
    small, codes = IntegerNetwork.load(f"{stem}.network"), np.load(f"{stem}.npy")
    assert small.input.shape == codes.shape[1:]
    assert Config.from_toml(f"{stem}.toml") == TINY
    assert Checker(TINY).fails(small, codes)
    cosim = ["cosim", f"{stem}.network", "--config", f"{stem}.toml", "--images", f"{stem}.npy", "--trace-tensors"]
    again = result["failure"]["command"].split()[1:]
    assert main(again) == 1
    monkeypatch.setattr(compiler, "compile_network", fuzzer.compile_network)
    assert main(cosim) == 1
    monkeypatch.undo()
    assert main(again) == 0
    assert main(cosim) == 0
    assert f"no difference in 1 networks, seeds {seed} to {seed}" in capsys.readouterr().out


@pytest.mark.cosim
def test_cycles_that_were_not_predicted_are_a_difference(checker, monkeypatch):
    exact = fuzzer.predict
    monkeypatch.setattr(fuzzer, "predict", lambda compiled: [
        replace(layer, drain=layer.drain + (number == 1)) for number, layer in enumerate(exact(compiled))])
    network, codes = wide(1)
    assert checker.difference(network, codes).startswith(f"layer {network.layers[1].name}: ")


@pytest.mark.cosim
def test_wrong_top_logits_or_cycles_of_the_whole_program_are_a_difference(checker, monkeypatch):
    exact = Board.run
    network, codes = wide(1)
    messages = {"top": "TOP is ", "logits": "the whole program gives the logits ", "cycles": " counted"}
    for field, message in messages.items():
        monkeypatch.setattr(Board, "run", lambda board, images, field=field: replace(
            exact(board, images), **{field: getattr(exact(board, images), field) + 1}))
        assert message in checker.difference(network, codes)
    monkeypatch.undo()
    spent = Board.cycles
    monkeypatch.setattr(Board, "cycles", lambda board: spent(board) | {"drain": 0})
    assert checker.difference(network, codes).startswith("cycles predicted {'busy': ")
    monkeypatch.undo()
    assert checker.difference(network, codes) is None


@pytest.mark.cosim
def test_golden_model_that_differs_from_the_reference_is_a_difference(checker, monkeypatch):
    exact = golden.trace

    def trace(network, codes):
        tensors = exact(network, codes)
        tensors[network.layers[0].name][1, 0, 0, 0] ^= 1
        return tensors

    monkeypatch.setattr(golden, "trace", trace)
    network, codes = wide(1)
    assert checker.difference(network, codes).startswith("golden model and reference differ (image 1, layer "
                                                         f"{network.layers[0].name}, channel 0, pixel (y 0, x 0): ")


@pytest.mark.cosim
def test_silence_is_a_difference_and_the_next_network_gets_a_fresh_accelerator(checker, monkeypatch):
    def silence(*_, **__):
        raise LinkError("no answer")

    monkeypatch.setattr(fuzzer, "trace_tensors", silence)
    network, codes = wide(1)
    assert checker.difference(network, codes) == "the accelerator does not answer as agreed: no answer"
    monkeypatch.undo()
    assert checker.difference(network, codes) is None


@pytest.mark.cosim
def test_network_that_the_configuration_cannot_run_does_not_fail(checker):
    lanes = named_config("lanes")
    network = random_network(0, lanes, Bounds.wide(lanes))
    codes = random_codes(0, network, 1)
    with pytest.raises(CompileError, match="raise accumulator_bits from 24"):
        checker.difference(network, codes)
    assert not checker.fails(network, codes)


# Smaller. ---------------------------------------------------------------------------------------------------


def size(network, codes):
    return (len(codes), len(network.layers), sum(tensor.channels for tensor in network.tensors.values()),
            network.input.height * network.input.width)


@pytest.mark.parametrize("seed", range(8))
def test_every_step_gives_a_valid_network_that_is_smaller_in_something(seed):
    network, codes = wide(seed)
    steps = list(smaller(network, codes))
    assert steps
    for small, images in steps:
        small.check()
        golden.trace(small, images)
        assert any(new < old for new, old in zip(size(small, images), size(network, codes), strict=True))
        assert images.shape[1:] == small.input.shape


@pytest.mark.parametrize("kind", [Add, AveragePool, MaxPool])
def test_what_fails_because_of_one_layer_ends_as_that_layer_and_a_logit(kind):
    seed = next(seed for seed in range(100) if any(isinstance(layer, kind) for layer in wide(seed)[0].layers[2:]))
    network, codes = shrink(*wide(seed), lambda network, _: any(isinstance(layer, kind) for layer in network.layers))
    assert [type(layer) for layer in network.layers[-2:]] == [kind, ArrayLayer]
    assert len(network.layers) <= 4     # a sum may need two layers to read
    assert codes.shape == (1, 1, *network.input.shape[1:])


def test_what_depends_on_one_channel_keeps_that_channel():
    network, codes = next(case for case in map(wide, range(100)) if case[0].classes > 2)
    *layers, last = network.layers
    network = replace(network, layers=(*layers, replace(last, bias=np.arange(71, 71 + last.output.channels))))
    small, _ = shrink(network, codes, lambda network, _: 73 in network.layers[-1].bias)
    assert small.layers[-1].bias.tolist() == [73]
    assert small.layers[-1].multiplier.tolist() == last.multiplier[2:3].tolist()


def test_tries_are_limited():
    calls = []
    network, codes = wide(3)
    shrink(network, codes, lambda *case: bool(calls.append(case)), tries=5)
    assert len(calls) == 5


# Arguments. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "message"), [
    (("--networks", "0"), "--networks must be at least 1, not 0"),
    (("--seed", "-1"), "--seed must be at least 0, not -1"),
    (("--configs", "-2"), "--configs must be at least 0, not -2"),
    (("--config", "nothing"), "no configuration 'nothing'"),
    (("--keep", "none"), "no folder none to write into; create it first"),
    (("--json", "none/x.json"), "no folder none"),
])
def test_mistake_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fuzz", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_configurations_the_fixed_ones_take_turns(monkeypatch):
    seen = []

    class Seen:
        def __init__(self, config):
            self.config, self.counts = config, Counts()

        def difference(self, network, codes):
            seen.append((self.config.name, network.name))

    monkeypatch.setattr(fuzzer, "Checker", Seen)
    assert main(["fuzz", "--networks", "9", "--seed", "5", "--configs", "1"]) == 0
    assert seen == [(name, f"random {5 + number}") for number, name in
                    enumerate(["tiny", "demo", "lanes", "columns", "unified", "narrow", "small", "random-5",
                               "tiny"])]
