"""The random networks: what there is among them, and that each is what it says."""

import numpy as np
import pytest

from nomul.cosim.fuzz_configs import fixed_configs, named_config, random_config
from nomul.cosim.random_layer import Bounds
from nomul.cosim.random_network import RandomNetworkError, random_codes, random_network
from nomul.gen.presets import load_config
from nomul.gen.spec.config import Config, ConfigError
from nomul.gen.spec.operators import Operator
from nomul.sw.compile import compile_network
from nomul.sw.contract import accumulator_range
from nomul.sw.network import LAYERS, Add, ArrayLayer

CONFIG = named_config("lanes")


@pytest.fixture(scope="module")
def networks():
    return [random_network(seed, CONFIG, Bounds.wide(CONFIG)) for seed in range(150)]


@pytest.fixture(scope="module")
def arrays(networks):
    """Pairs of an array layer and the tensor that it reads."""
    return [(layer, network.tensors[layer.input]) for network in networks for layer in network.layers
            if isinstance(layer, ArrayLayer)]


def test_same_seed_same_network():
    first, again, other = (random_network(seed, CONFIG, Bounds.wide(CONFIG)) for seed in (7, 7, 8))
    assert first.hash == again.hash != other.hash
    np.testing.assert_array_equal(random_codes(7, first, 3), random_codes(7, again, 3))


def test_all_kinds_of_layers_operators_and_terms_occur(networks, arrays):
    assert {type(layer) for network in networks for layer in network.layers} == set(LAYERS.values())
    assert {layer.operator for layer, _ in arrays} == set(Operator)
    assert {layer.terms for layer, _ in arrays} == {1, 2, 3, 15}
    assert {layer.stride for layer, _ in arrays} >= {1, 2, 3, 4, 5}
    assert {layer.padding for layer, _ in arrays} >= {0, 1, 2, 3}
    assert {layer.groups for layer, _ in arrays} >= {1, 2, 3}
    assert {layer.dilation for layer, _ in arrays} >= {1, 2, 3, (1, 2)}


def test_kernels_reach_7_by_7_and_maps_are_also_a_row_a_column_or_a_pixel(networks, arrays):
    assert (7, 7) in {layer.weight.shape[2:] for layer, _ in arrays}
    shapes = {network.input.shape[1:] for network in networks}
    assert (1, 1) in shapes
    assert max(width for height, width in shapes if height == 1) > 12
    assert max(height for height, width in shapes if width == 1) > 12


def test_channels_exceed_lanes_and_columns(networks, arrays):
    assert max(network.input.channels for network in networks) > CONFIG.lanes
    assert max(layer.output.channels for layer, _ in arrays) > CONFIG.columns


def test_weights_multipliers_shifts_and_biases_lie_at_their_limits(arrays):
    for operator, ends in ((Operator.L1, {0, 255}), (Operator.SHIFT, {-128, 128}), (Operator.SIGN, {-1, 1})):
        assert any(set(layer.weight.flat) == ends for layer, _ in arrays if layer.operator is operator)
    assert {1, 40} <= {layer.shift for layer, _ in arrays}
    assert {-65535, 0, 65535} <= {int(value) for layer, _ in arrays for value in layer.multiplier}
    ranges = [accumulator_range(layer.operator, layer.weight, layer.bias, 8) for layer, _ in arrays]
    end = 1 << CONFIG.accumulator_bits - 1
    assert min(smallest.min() for smallest, _ in ranges) == -end
    assert max(largest.max() for _, largest in ranges) == end - 1


def test_graphs_have_chains_of_sums_branches_and_sums_of_a_tensor_with_itself(networks):
    sums = [[layer for layer in network.layers if isinstance(layer, Add)] for network in networks]
    assert max(map(len, sums)) >= 5
    assert any(layer.inputs[0] == layer.inputs[1] for layers in sums for layer in layers)
    readers = [[name for layer in network.layers if isinstance(layer, ArrayLayer) for name in layer.inputs]
               for network in networks]
    assert any(len(set(names)) < len(names) for names in readers)


def test_every_network_compiles_and_its_codes_are_codes(networks):
    for seed, network in enumerate(networks[:20]):
        compile_network(network, CONFIG)
        codes = random_codes(seed, network, 2)
        assert set(codes[0].flat) <= {0, 255, network.input.zero_point}


def test_configuration_in_which_nothing_fits_is_named():
    config = Config(name="nothing", lanes=2, columns=2, operators=("l1",), weight_words=4, activation_words=4,
                    result_words=2)
    with pytest.raises(RandomNetworkError, match="'nothing': raise its memory sizes"):
        random_network(0, config)


def test_random_configurations_differ_and_are_found_by_name():
    configs = [random_config(seed) for seed in range(40)]
    assert len({config.hash for config in configs}) == 40
    assert {config.lanes for config in configs} == {config.columns for config in configs} == {2, 4, 8, 16}
    assert {config.unified for config in configs} == {config.l1_minimum for config in configs} == {False, True}
    assert named_config("random-17") == configs[17]


def test_fixed_configurations_are_found_by_name_before_presets_and_files(tmp_path):
    assert [named_config(config.name) for config in fixed_configs()] == fixed_configs()
    assert named_config("mnist") == load_config("mnist")
    (tmp_path / "x.toml").write_text(CONFIG.to_toml())
    assert named_config(str(tmp_path / "x.toml")) == CONFIG
    with pytest.raises(ConfigError, match="no configuration 'random'"):
        named_config("random")
