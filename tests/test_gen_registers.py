"""The memory map: addresses, word sizes, and what the hardware answers first."""

import pytest

from nomul.gen.presets import load_config
from nomul.gen.spec.program import FIELDS, ProgramError
from nomul.gen.spec.registers import INPUT_FIELDS, MAGIC, REGISTERS, Region, address_of, input_registers, word_bytes


def test_address_is_the_place_in_the_table():
    assert [address_of(register.name) for register in REGISTERS] == list(range(len(REGISTERS)))


def test_identification_lies_first_and_stays_where_every_version_can_read_it():
    assert (address_of("MAGIC"), address_of("INTERFACE"), address_of("CONFIG_LOW")) == (0, 1, 2)
    assert MAGIC.to_bytes(4, "little") == b"nmul"


def test_host_cannot_write_what_identifies_or_measures():
    assert [register.name for register in REGISTERS if register.writable] == [
        "NETWORK_LOW", "NETWORK_HIGH", *INPUT_FIELDS, "RESULT_COUNT", "STREAM_BASE"]


def test_input_registers_hold_descriptor_fields_from_bit_0():
    less_one = {field.name for field in FIELDS if field.less_one}
    windows = {name: int(name in less_one) for names in INPUT_FIELDS.values() for name in names}
    assert set(input_registers(windows).values()) == {0}
    windows |= {"input_width": 3, "channel_words": 6, "pad_code": 255, "row_step": 2**20 - 1, "output_pixels": 8}
    assert input_registers(windows) == {
        "INPUT_MAP": 3 << 11 | 5 << 22, "INPUT_WINDOW": 255 << 24, "INPUT_BASE": 0, "INPUT_TAP_ROW_STEP": 0,
        "INPUT_PIXEL_STEP": 0, "INPUT_ROW_STEP": 2**20 - 1, "INPUT_OUTPUT": 7 << 11}
    with pytest.raises(ProgramError, match="descriptor field kernel_width .* must be 0 to 63, not 64"):
        input_registers(windows | {"kernel_width": 64})


def test_input_registers_fit_into_their_bits():
    widths = {field.name: field.bits for field in FIELDS}
    assert all(sum(widths[name] for name in names) <= 32 for names in INPUT_FIELDS.values())


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
