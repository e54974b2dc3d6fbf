"""How wide the fields of a descriptor are in the hardware of one configuration: no wider than its sizes ask for.

A program may only hold values that fit, which `check_fields` sees to. Addresses and their steps always fit: they are
counted modulo a power of two that is no smaller than the memory.
"""

from collections.abc import Mapping
from functools import cache

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import FIELDS, ProgramError

__all__ = ["address_bits", "check_fields", "coordinate_bits", "field_bits"]

#: Fields that count modulo the memory that a layer reads or writes.
_ADDRESSES = ("input_base", "tap_step", "tap_row_step", "pixel_step", "row_step", "output_base", "output_row_step",
              "second_base")
#: Fields that are sizes of a map or of a window.
_SIDES = ("stride_y", "stride_x", "dilation_y", "dilation_x", "padding_top", "padding_left", "kernel_height",
          "kernel_width", "input_height", "input_width", "output_width")
_BITS = {field.name: field.bits for field in FIELDS}


def address_bits(config: Config, *, image: bool = False) -> int:
    """Of an address in the activation memory, or in the image memory."""
    return max(1, ((config.image_bytes if image else config.activation_words) - 1).bit_length())


def coordinate_bits(config: Config) -> int:
    """Of a signed map coordinate: from the padding before a map to the padding behind it."""
    return (config.map_side + min(config.map_side, (1 << _BITS["padding_top"]) - 1)).bit_length() + 1


def _limits(config: Config, image: bool) -> dict[str, tuple[int, str]]:
    """The largest value of each field that is limited, and the configuration's field that limits it."""
    groups = config.parameter_words // config.columns
    limits = dict.fromkeys(_SIDES, (config.map_side, "map_side"))
    limits |= {
        "pad_code": ((1 << config.activation_bits) - 1, "activation_bits"),
        "zero_point": ((1 << config.activation_bits) - 1, "activation_bits"),
        "channel_words": (config.image_bytes, "image_bytes") if image else (config.pixel_words, "pixel_words"),
        "output_pixels": (config.activation_words, "activation_words"),
        "output_pixel_step": (2 * config.pixel_words, "pixel_words"),
        "groups": (max(groups, config.pixel_words), "pixel_words"),
        "together": (max(groups, config.pixel_words), "pixel_words"),
        "block": (config.block_pixels, "block_pixels"),
        "weight_base": (config.weight_words - 1, "weight_words"),
        "parameter_base": (config.parameter_words - 1, "parameter_words"),
        "channels": (config.parameter_words, "parameter_words"),
    }
    if not config.weight_stream:
        limits["tiles"] = (config.weight_words, "weight_words")
    return limits


@cache
def field_bits(config: Config, *, image: bool = False) -> dict[str, int]:
    """Bits of each field of `nomul.gen.spec.program.FIELDS` that the hardware of `config` has.

    Parameters
    ----------
    image : bool
        Of the input packer, whose addresses are those of the image's bytes.
    """
    bits = dict(_BITS)
    for field in FIELDS:
        if field.name in _ADDRESSES:
            needed = address_bits(config, image=image)
        elif field.name in (limits := _limits(config, image)):
            needed = (limits[field.name][0] - field.less_one).bit_length() + field.signed
        else:
            continue
        bits[field.name] = max(1, min(field.bits, needed))
    return bits


def check_fields(fields: Mapping[str, int], config: Config, *, image: bool = False) -> None:
    """Refuses a descriptor that the hardware of `config` has no bits for.

    Raises
    ------
    ProgramError
        Which names the field, its value, the largest one, and what to raise in the configuration.
    """
    meanings = {field.name: field.meaning for field in FIELDS}
    for name, (largest, limit) in _limits(config, image).items():
        if fields.get(name, 0) > largest:
            raise ProgramError(f"{name} ({meanings[name]}) is {fields[name]}, but configuration {config.name!r} has "
                               f"{limit} {getattr(config, limit)}, which allows {largest} at most: raise {limit}")
