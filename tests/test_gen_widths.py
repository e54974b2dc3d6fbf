"""Widths of descriptor fields in one configuration's hardware: enough for every program, and refused beyond."""

import pytest

from nomul.gen.presets import load_config, preset_names
from nomul.gen.spec.program import FIELDS, ProgramError
from nomul.gen.spec.widths import address_bits, check_fields, coordinate_bits, field_bits

from .hardware import small_config

SMALL = small_config(map_side=15, pixel_words=12)       # 128 activation words, 64 parameter words, blocks of 8 pixels


@pytest.mark.parametrize("name", preset_names())
def test_no_field_is_wider_than_its_descriptor_has_it_or_has_no_bits(name):
    bits = field_bits(load_config(name))
    assert set(bits) == {field.name for field in FIELDS}
    assert all(1 <= bits[field.name] <= field.bits for field in FIELDS)


def test_widths_are_those_worked_out_by_hand():
    bits = field_bits(SMALL)
    assert {name: bits[name] for name in ("input_base", "output_row_step", "input_height", "kernel_width", "stride_x",
                                          "channel_words", "groups", "output_pixels", "block", "tiles", "weight_base",
                                          "parameter_base", "channels", "output_pixel_step", "shift", "lower")} == {
        "input_base": 7, "output_row_step": 7, "input_height": 4, "kernel_width": 4, "stride_x": 4, "channel_words": 4,
        "groups": 4, "output_pixels": 7, "block": 3, "tiles": 8, "weight_base": 8, "parameter_base": 6, "channels": 7,
        "output_pixel_step": 5, "shift": 6, "lower": 17}
    assert (address_bits(SMALL), coordinate_bits(SMALL)) == (7, 6)


def test_the_largest_maps_need_what_they_always_did():
    config = small_config(activation_words=1 << 19)
    assert (address_bits(config), coordinate_bits(config)) == (19, 13)
    assert field_bits(config)["input_width"] == 11


def test_tiles_of_streamed_layers_may_be_more_than_the_weight_memory_holds():
    assert field_bits(small_config(weight_stream=True))["tiles"] == 16


@pytest.mark.parametrize(("field", "largest", "limit", "value"), [
    ("input_height", 15, "map_side", 15), ("kernel_width", 15, "map_side", 15), ("stride_y", 15, "map_side", 15),
    ("channel_words", 12, "pixel_words", 12), ("groups", 16, "pixel_words", 12), ("block", 8, "block_pixels", 8),
    ("output_pixels", 128, "activation_words", 128), ("channels", 64, "parameter_words", 64)])
def test_the_largest_value_is_taken_and_the_next_refused_with_what_to_raise(field, largest, limit, value):
    check_fields({field: largest}, SMALL)
    with pytest.raises(ProgramError) as caught:
        check_fields({field: largest + 1}, SMALL)
    assert str(caught.value).startswith(f"{field} (")
    assert str(caught.value).endswith(f"is {largest + 1}, but configuration 'test' has {limit} {value}, which allows "
                                      f"{largest} at most: raise {limit}")


@pytest.mark.parametrize("field", [field for field in FIELDS if field.less_one], ids=lambda field: field.name)
def test_the_largest_count_still_fits_the_bits_that_hold_one_less(field):
    """`check_fields` and `field_bits` agree: the largest value that is let through has its bits."""
    for config in (SMALL, *map(load_config, preset_names())):
        largest = max(value for value in range(1, 1 << field.bits) if _fits(field.name, value, config))
        assert (largest - 1).bit_length() <= field_bits(config)[field.name]


def _fits(name, value, config):
    try:
        check_fields({name: value}, config)
    except ProgramError:
        return False
    return True


def test_addresses_fit_whatever_they_are():
    check_fields({"input_base": 2**20 - 1, "row_step": 2**20 - 3, "tap_step": 2**19}, SMALL)


def test_the_image_is_limited_by_its_own_memory():
    config = small_config(image_bytes=64, map_side=15)
    check_fields({"channel_words": 64}, config, image=True)
    assert field_bits(config, image=True)["channel_words"] == 6
    assert address_bits(config, image=True) == field_bits(config, image=True)["row_step"] == 6
    with pytest.raises(ProgramError, match="raise image_bytes"):
        check_fields({"channel_words": 65}, config, image=True)
