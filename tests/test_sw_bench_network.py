from dataclasses import replace

import numpy as np
import pytest

from nomul.gen.spec.config import ConfigError
from nomul.sw import golden
from nomul.sw.bench_network import (
    BENCH_KINDS,
    BENCH_NETWORKS,
    BenchError,
    compile_fitting,
    largest_config,
    random_codes,
    random_network,
)
from nomul.sw.compile import CompileError, compile_network
from nomul.sw.cycles import predict
from nomul.sw.machine import Machine
from nomul.sw.report import report_compiled

#: Weights times outputs, layer by layer, by hand.
OPERATIONS = {
    "mlp": 784 * 128 + 128 * 64 + 64 * 10,
    "lenet": 9 * (1 * 16 * 14**2 + 16 * 32 * 14**2 + 32 * 32 * 7**2 + 32 * 64 * 4**2) + 64 * 4**2 * 10,
    "vgg-small": 9 * ((3 + 64) * 64 * 32**2 + (64 + 128) * 128 * 16**2 + (128 + 256) * 256 * 8**2) + 256 * 4**2 * 10,
    # Seven 3×3 layers of each stage with the same number of operations, but for the input and the two that halve it.
    "resnet20": 9 * 32**2 * 16 * (3 + 6 * 16) + 9 * 16**2 * 32 * (16 + 5 * 32) + 9 * 8**2 * 64 * (32 + 5 * 64)
    + 16 * 32 * 16**2 + 32 * 64 * 8**2 + 64 * 10,
    # The first convolution; depthwise 3×3 layers, from the map that they make; 1×1 layers; the classifier.
    "mobilenet": 9 * 3 * 32 * 32**2
    + 9 * (32 * 32**2 + (64 + 128) * 16**2 + (128 + 256) * 8**2 + (256 + 5 * 512) * 4**2)
    + 32 * 64 * 32**2 + (64 * 128 + 128 * 128) * 16**2 + (128 * 256 + 256 * 256) * 8**2
    + (256 * 512 + 5 * 512 * 512) * 4**2 + 512 * 10,
}
MEMORIES = ("program_layers", "weight_words", "parameter_words", "activation_words", "image_bytes", "result_words")


def fitted(name, lanes, columns, kind="adder"):
    network = random_network(name, kind)
    return network, compile_fitting(network, largest_config(name, lanes, columns))


def total(compiled):
    return sum(layer.total for layer in predict(compiled))


@pytest.mark.parametrize("name", BENCH_NETWORKS)
def test_operations_are_those_counted_by_hand(name):
    network, compiled = fitted(name, 16, 16)
    assert network.input.shape == BENCH_NETWORKS[name]
    assert report_compiled(network, compiled).operations == OPERATIONS[name]


@pytest.mark.parametrize("kind", BENCH_KINDS)
def test_every_kind_becomes_a_network_whose_operators_are_all_that_the_array_has(kind):
    network, compiled = fitted("mlp", 8, 8, kind)
    operators = {"adder": ("l1",), "shift-q": ("shift",), "shift-ps": ("shift",), "shiftadd": ("l1", "shift"),
                 "shiftadd-frozen": ("l1", "shift"), "sign": ("sign",)}[kind]
    assert compiled.config.operators == (("l1",) if kind == "shiftadd-frozen" else operators)
    assert network.classes == 10


@pytest.mark.parametrize("size", [(4, 4), (8, 64), (64, 8)])
def test_each_memory_is_the_smallest_power_of_two_that_holds_the_network(size):
    network, compiled = fitted("lenet", *size)
    config = compiled.config
    assert (config.lanes, config.columns) == size
    for field in MEMORIES:
        words = getattr(config, field)
        assert words & (words - 1) == 0
        if field == "result_words" and words == config.columns:
            continue        # there must be as many as columns
        halved = replace(config, **{field: words // 2})
        if field == "activation_words":     # half of it may do, but not if the image is to keep its place
            try:
                descriptors = compile_network(network, halved).descriptors()
            except CompileError:
                continue
            assert [layer["frees_input"] for layer in descriptors[:-1]] == [*[0] * (len(descriptors) - 2), 1]
            continue
        with pytest.raises(CompileError, match=f"raise {field}"):
            compile_network(network, halved)
    with pytest.raises(CompileError, match="raise accumulator_bits"):
        compile_network(network, replace(config, accumulator_bits=config.accumulator_bits - 1))


@pytest.mark.parametrize(("name", "lanes", "columns"), [("mlp", 4, 4), ("lenet", 8, 8), ("resnet20", 16, 16)])
def test_no_fewer_requantizers_are_within_one_percent_of_the_best(name, lanes, columns):
    network, compiled = fitted(name, lanes, columns)
    cycles = {rows: total(compile_network(network, replace(compiled.config, requantizers=rows)))
              for rows in (1, 2, 4, 8, 16)}
    near = [rows for rows, count in cycles.items() if count <= 1.01 * min(cycles.values())]
    assert compiled.config.requantizers == near[0]


def test_requantizers_that_are_asked_for_are_kept():
    network = random_network("mlp", "adder")
    compiled = compile_fitting(network, largest_config("mlp", 4, 4, 3), choose_requantizers=False)
    assert compiled.config.requantizers == 3


def test_activations_are_neither_all_zero_nor_all_clipped():
    network = random_network("lenet", "adder")
    for name, codes in golden.trace(network, random_codes(network, 4)).items():
        assert codes.std() > 0.05 * network.largest_code, name


def test_the_program_computes_what_the_golden_model_does():
    network, compiled = fitted("lenet", 8, 8, "shiftadd")
    codes = random_codes(network, 1)
    machine = Machine(compiled.config)
    machine.load(compiled)
    assert np.array_equal(machine.run(codes[0])[0], golden.run(network, codes)[0])


def test_the_seed_decides_the_network_and_the_images():
    first, again, other = (random_network("mlp", "shift-q", seed) for seed in (0, 0, 1))
    assert first.hash == again.hash != other.hash
    assert np.array_equal(random_codes(first, 2), random_codes(first, 2))
    assert not np.array_equal(random_codes(first, 2), random_codes(first, 2, 1))


@pytest.mark.parametrize(("name", "kind", "message"), [
    ("vgg", "adder", "unknown network 'vgg'; known are resnet20, lenet, vgg-small, mlp"),
    ("mlp", "conv", "unknown kind 'conv'; known are adder, shift-q, shift-ps, shiftadd, shiftadd-frozen, sign"),
])
def test_unknown_names_are_listed(name, kind, message):
    with pytest.raises(BenchError, match=message):
        random_network(name, kind)


def test_an_array_that_cannot_be_built_is_refused():
    with pytest.raises(ConfigError, match="lanes must be one of 2, 4, 8, 16, 32, 64, not 12"):
        largest_config("mlp", 12, 4)
