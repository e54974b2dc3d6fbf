"""The memory map: addresses, word sizes, and what the hardware answers first."""

import pytest

from nomul.gen.presets import load_config
from nomul.gen.spec.registers import MAGIC, REGISTERS, Region, address_of, word_bytes


def test_address_is_the_place_in_the_table():
    assert [address_of(register.name) for register in REGISTERS] == list(range(len(REGISTERS)))


def test_identification_lies_first_and_stays_where_every_version_can_read_it():
    assert (address_of("MAGIC"), address_of("INTERFACE"), address_of("CONFIG_LOW")) == (0, 1, 2)
    assert MAGIC.to_bytes(4, "little") == b"nmul"


def test_host_cannot_write_what_identifies_or_measures():
    assert [register.name for register in REGISTERS if register.writable] == [
        "NETWORK_LOW", "NETWORK_HIGH", "INPUT_CHANNELS", "INPUT_ZERO", "RESULT_COUNT"]


@pytest.mark.parametrize(("region", "expected"), [
    (Region.REGISTERS, 4), (Region.PROGRAM, 4),
    (Region.WEIGHTS, 8),        # 8 lanes of 8 bits
    (Region.PARAMETERS, 6),     # 24 + 16 + 1 = 41 bits
    (Region.ACTIVATIONS, 8), (Region.RESULTS, 2), (Region.INPUT, 1),
])
def test_words_of_the_demo_configuration_take_whole_bytes(region, expected):
    assert word_bytes(region, load_config("demo")) == expected


def test_unknown_register_is_an_error():
    with pytest.raises(ValueError, match="'SPEED' is not in list"):
        address_of("SPEED")
