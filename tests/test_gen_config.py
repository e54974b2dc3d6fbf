"""The configuration: what is allowed, what the messages say, and what the hash depends on."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nomul.gen.presets import load_config, preset_names
from nomul.gen.spec.config import OPERATORS, Config, ConfigError

BASE = {"name": "x", "lanes": 8, "columns": 8, "operators": ("l1",)}

configs = st.builds(
    Config, name=st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lanes=st.sampled_from([2, 16, 64]), columns=st.sampled_from([2, 4, 8]),
    operators=st.permutations(OPERATORS).flatmap(lambda ops: st.integers(1, 3).map(lambda n: tuple(ops[:n]))),
    l1_weight_bits=st.integers(2, 8), shift_exponents=st.sampled_from([2, 4, 8]),
    accumulator_bits=st.integers(12, 40), weight_words=st.integers(4, 1 << 20),
)


def config(**changes: object) -> Config:
    return Config.from_dict({**BASE, **changes})


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_named_like_its_file(name):
    assert load_config(name).name == name


@given(configs)
def test_toml_and_dictionary_read_back_equal(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_text(value.to_toml(), encoding="utf-8")
    assert Config.from_toml(path) == value
    assert Config.from_dict(value.to_dict()) == value


def test_operators_are_sorted_so_that_their_order_does_not_change_the_hash():
    assert config(operators=["sign", "l1"]).operators == ("l1", "sign")
    assert config(operators=["sign", "l1"]).hash == config(operators=["l1", "sign"]).hash


def test_hash_ignores_the_name_and_nothing_else():
    other = {"lanes": 16, "columns": 16, "operators": ("l1", "shift"), "activation_bits": 7, "l1_weight_bits": 7,
             "shift_exponents": 4, "unified": True, "l1_minimum": True, "leaf_register": False,
             "tree_levels_per_register": 2, "accumulator_bits": 25, "block_pixels": 65,
             "requantizers": 2, "program_layers": 33, "weight_words": 4097, "parameter_words": 513,
             "activation_words": 2049, "image_bytes": 1025, "result_words": 65, "frame_bytes": 2048,
             "weight_decoder": True, "weight_stream": True, "depthwise_l1": True, "vector_bits": 25,
             "map_side": 28, "pixel_words": 16, "pack_windows": False,
             "vector_sums": False, "counters": False, "serial_crc": True}
    assert set(other) == {field.name for field in dataclasses.fields(Config)} - {"name"}
    base = {**BASE, "l1_weight_bits": 6, "operators": ("l1", "sign")}
    assert Config.from_dict({**base, "name": "y"}).hash == Config.from_dict(base).hash
    hashes = {Config.from_dict({**base, key: value}).hash for key, value in other.items()}
    assert len(hashes | {Config.from_dict(base).hash}) == len(other) + 1


def test_hash_is_sixteen_digits_and_the_same_in_every_process():
    """Worked out with sha256sum from the JSON text: a change breaks every artifact that exists."""
    assert config().hash == "00ec49b5e6d3e420"


@pytest.mark.parametrize(("changes", "message"), [
    ({"lanes": 12}, "configuration 'x': lanes must be one of 2, 4, 8, 16, 32, 64, not 12"),
    ({"lanes": True}, "configuration 'x': lanes must be one of 2, 4, 8, 16, 32, 64, not True"),
    ({"columns": 8.0}, "configuration 'x': columns must be one of 2, 4, 8, 16, 32, 64, not 8.0"),
    ({"columns": 128}, "configuration 'x': columns must be one of 2, 4, 8, 16, 32, 64, not 128"),
    ({"activation_bits": 9}, "configuration 'x': activation_bits must be 2 to 8, not 9"),
    ({"lanes": 64, "frame_bytes": 64}, ("configuration 'x': frame_bytes must hold an address (4 bytes) and the widest "
                                       "memory word (64 bytes), so at least 68, not 64")),
    ({"l1_weight_bits": 1}, "configuration 'x': l1_weight_bits must be 2 to 8, not 1"),
    ({"shift_exponents": 3}, "configuration 'x': shift_exponents must be one of 2, 4, 8, not 3"),
    ({"unified": 1}, "configuration 'x': unified must be true or false, not 1"),
    ({"unified": True, "operators": ("l1", "shift")}, (
        "configuration 'x': unified processing elements are for the operators l1 and sign together, and operators are "
        "l1, shift; leave out unified")),
    ({"depthwise_l1": True, "operators": ("shift",)}, (
        "configuration 'x': depthwise_l1 needs the operator l1 and as many lanes as columns, not shift and 8×8; leave "
        "it out")),
    ({"depthwise_l1": True, "columns": 16}, "depthwise_l1 needs the operator l1 and as many lanes as columns, not l1"),
    ({"unified": True, "l1_minimum": True, "operators": ("l1", "sign")}, (
        "configuration 'x': unified processing elements add and saturate; leave out unified or l1_minimum")),
    ({"leaf_register": 1}, "configuration 'x': leaf_register must be true or false, not 1"),
    ({"tree_levels_per_register": 7}, "configuration 'x': tree_levels_per_register must be 0 to 6, not 7"),
    ({"accumulator_bits": 48}, "configuration 'x': accumulator_bits must be 12 to 40, not 48"),
    ({"vector_bits": 11}, "configuration 'x': vector_bits must be 12 to 37, not 11"),
    ({"block_pixels": 0}, "configuration 'x': block_pixels must be 1 to 256, not 0"),
    ({"requantizers": 0}, "configuration 'x': requantizers must be 1 to 32, not 0"),
    ({"program_layers": 0}, "configuration 'x': program_layers must be 1 to 1024, not 0"),
    ({"weight_words": 1 << 21}, "configuration 'x': weight_words must be 4 to 1048576, not 2097152"),
    ({"parameter_words": "many"}, "configuration 'x': parameter_words must be 4 to 65536, not 'many'"),
    ({"activation_words": 3}, "configuration 'x': activation_words must be 4 to 524288, not 3"),
    ({"result_words": 0}, "configuration 'x': result_words must be 1 to 4096, not 0"),
    ({"result_words": 4}, "configuration 'x': result_words must be at least columns (8), not 4"),
    ({"frame_bytes": 100}, "frame_bytes must be one of 64, 128, 256, 512, 1024, 2048, 4096, not 100"),
    ({"operators": []}, "configuration 'x': operators must be a choice of l1, shift, sign, each at most once, not []"),
    ({"operators": ["l1", "l1"]}, "each at most once, not ['l1', 'l1']"),
    ({"operators": ["multiply"]}, "operators must be a choice of l1, shift, sign"),
    ({"operators": "l1"}, "configuration: operators must be a list such as [\"l1\", \"shift\"], not 'l1'"),
    ({"activation_bits": 6}, "configuration 'x': l1_weight_bits must not exceed activation_bits (6), not 8"),
    ({"lane": 8}, "configuration: unknown field 'lane'; the fields are name, lanes, columns"),
])
def test_impossible_configuration_is_refused_with_field_rule_and_value(changes, message):
    with pytest.raises(ConfigError) as caught:
        config(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_field_is_named():
    with pytest.raises(ConfigError, match=r"^f: field 'columns' is missing; name, lanes, columns, operators are req"):
        Config.from_dict({"name": "x", "lanes": 8, "operators": ["l1"]}, source="f")


def test_unreadable_files_say_which_and_why(tmp_path):
    (tmp_path / "broken.toml").write_text("lanes = = 8")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for path, reason in [("none.toml", "No such file"), ("broken.toml", "not TOML"), ("binary.toml", "cannot read"),
                         (".", "Is a directory")]:
        with pytest.raises(ConfigError, match=reason) as caught:
            Config.from_toml(tmp_path / path)
        assert str(tmp_path) in str(caught.value)


def test_unknown_preset_lists_the_presets():
    with pytest.raises(ConfigError, match=r"^no configuration 'dmo': give the path of a \.toml file or one of the "
                                          r"presets .*demo, .*tiny"):
        load_config("dmo")


@given(configs)
def test_words_hold_what_they_are_made_of(value):
    assert value.weight_bits >= max(value.operator_weight_bits(op) for op in value.operators)
    assert 1 << value.exponent_bits >= value.shift_exponents
    assert value.weight_word_bits == value.lanes * value.weight_bits
    assert value.activation_word_bits == value.lanes * value.activation_bits
