"""The program: a list of layer descriptors, run in order, one image at a time.

A descriptor is a fixed record of `DESCRIPTOR_WORDS` 32-bit words, the same for every configuration. The fields lie
side by side from bit 0 of word 0, without gaps, in the order of `FIELDS`. A program ends with an `END` descriptor.
Values that a configuration has no use for need not fit its hardware (`nomul.gen.spec.widths`).

**Activation memory.** A word holds `lanes` codes of one pixel. A tensor of C channels takes `ceil(C / lanes)` words a
pixel, channel-minor: address = base + (y·width + x)·channel_words + word. Lanes beyond C hold the tensor's zero point.
All addresses are modulo 2^20, so that a window that starts in the padding may have a "negative" address. (Hardware
with a smaller memory counts modulo a smaller power of two, which gives the same words.)

**ARRAY** (convolution and, with a kernel as large as the map, linear layers). For each group of `columns` output
channels, for each block of up to `block` output pixels (raster order), for each *tile* (term, kernel row, kernel
column, channel word; in this order, channel word fastest), for each pixel of the block: read one word, feed the array.
Tile addresses advance by 1 within a tap, by `tap_step` from a tap's last word to the first of the next in its kernel
row, and by `tap_row_step` from the last tile of a kernel row to the first of the next; every term reads the same
addresses again, so that a weight is the sum of as many.
Every `together` groups the window moves on by `channel_words`: so groups of a grouped or depthwise convolution read no
more words than those of their own channels.
Window addresses advance by `pixel_step` to the next pixel and by `row_step` from the last pixel of an output row to the
first of the next. Taps outside the map read as `pad_code` in all lanes; a tap lies `dilation_y` rows and `dilation_x`
columns from its neighbours.
Weights lie in order of consumption: group, tile, column, but for columns without a channel (`used_columns`); a group's
tiles are read again for every block. Weights of a `streamed` layer lie in the ring that the host fills while the
program runs, from where the last such layer's end; in a group's last block each word makes room for a new one when it
is read, so the ring holds at least a group, if that has several blocks.
Parameters: one word a channel, at `parameter_base` + group·columns + column.
Requantization: `y = clamp((((acc + bias)·M + 2^(shift-1)) >> shift) + zero_point, lower, upper)`.
With destination ACTIVATIONS the codes of group g go to lanes/words of channel g·columns onwards at
`output_base` + pixel·output_pixel_step; lanes of the last word beyond its last group of columns get the zero point, and
codes of channels at or beyond output_pixel_step·lanes are not written.
With destination RESULTS (a map of one pixel) channel c < `channels` goes to
result word c as signed 16 bits, and the index of the largest (the lowest such index) becomes TOP.

**VECTOR** (pooling, residual add, copies). For each channel word, for each output pixel: combine the taps of the
window, lane by lane. Tap addresses advance by `tap_step` within a kernel row and by `tap_row_step` to the next row;
window addresses as in ARRAY; taps outside the map read as `pad_code`. Channel word w starts at `input_base` + w and
writes to `output_base` + w; output addresses advance by `output_pixel_step` to the next pixel and by
`output_row_step` from the last of a row to the next row's first.
MAX: `y = max over taps`. ADD: `y = clamp((offset + Σ(tap << left_shift) + (second << second_left_shift)) >> shift,
lower, upper)`, where the second operand (only if `two_operands`) is the word at
`second_base` + pixel·channel_words + w.
`offset` holds the rounding constant and all zero points, so it is the compiler's business; >> is a floor shift.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

from nomul.gen.spec.errors import NomulError

__all__ = ["ADDRESS_BITS", "DESCRIPTOR_WORDS", "FIELDS", "MULTIPLIER_BITS", "RESULT_BITS",
           "Destination", "Field", "Mode", "Opcode", "ProgramError", "join", "pack", "unpack", "used_columns"]

ADDRESS_BITS = 20
#: Magnitude bits of a requantization multiplier.
MULTIPLIER_BITS = 16
#: Width of a network output (signed).
RESULT_BITS = 16


class ProgramError(NomulError):
    """A descriptor that cannot be written, or words that are no descriptor."""


class Opcode(IntEnum):
    """What a descriptor asks for."""

    END = 0
    ARRAY = 1
    VECTOR = 2


class Destination(IntEnum):
    """Where an ARRAY layer's outputs go."""

    ACTIVATIONS = 0
    RESULTS = 1


class Mode(IntEnum):
    """How a VECTOR layer combines taps."""

    MAX = 0
    ADD = 1


class Field(NamedTuple):
    """One field of the descriptor; with `less_one` its bits hold one less than its value, modulo 2^bits.

    So the hardware need not compute the last of so many, and what counts nothing, 0, is all ones.
    """

    name: str
    bits: int
    signed: bool
    meaning: str
    less_one: bool = False


FIELDS = tuple(Field(*row) for row in (
    ("opcode", 2, False, "END, ARRAY or VECTOR"),
    ("operator", 2, False, "ARRAY: L1, SHIFT or SIGN"),
    ("mode", 1, False, "VECTOR: MAX or ADD"),
    ("destination", 1, False, "ARRAY: activation memory or results"),
    ("two_operands", 1, False, "VECTOR ADD: add the second operand"),
    ("stride_y", 4, False, "rows from a window to the one below"),
    ("stride_x", 4, False, "columns from a window to the next"),
    ("dilation_y", 4, False, "ARRAY: rows from a tap to the one below"),
    ("dilation_x", 4, False, "ARRAY: columns from a tap to the next"),
    ("padding_top", 4, False, "rows of padding above the map"),
    ("padding_left", 4, False, "columns of padding left of the map"),
    ("kernel_height", 6, False, "taps of a window, vertically", True),
    ("kernel_width", 6, False, "taps of a window, horizontally", True),
    ("pad_code", 8, False, "code of a tap outside the map"),
    ("input_height", 11, False, "rows of the input map"),
    ("input_width", 11, False, "columns of the input map"),
    ("channel_words", 10, False, "ARRAY: words of a tap; VECTOR: words per pixel of the second operand", True),
    ("input_base", 20, False, "address of the first window's first tap (modulo 2^20)"),
    ("tap_step", 20, False, "address step from a tap's last word to the next tap's first in its kernel row"),
    ("tap_row_step", 20, False, "address step from the last tap of a kernel row to the next row's first"),
    ("pixel_step", 20, False, "address step to the next window"),
    ("row_step", 20, False, "address step from an output row's last window to the next row's first"),
    ("output_width", 11, False, "output pixels per row", True),
    ("output_pixels", 20, False, "output pixels of the map", True),
    ("output_base", 20, False, "address of the first output word"),
    ("output_pixel_step", 10, False, "words per output pixel"),
    ("output_row_step", 20, False, "VECTOR: address step from a row's last output word to the next row's first"),
    ("groups", 10, False, "ARRAY: groups of output channels; VECTOR: channel words to process", True),
    ("together", 10, False, "ARRAY: groups that read the same channel words", True),
    ("tiles", 16, False, "ARRAY: weight tiles per group", True),
    ("block", 9, False, "ARRAY: output pixels for which a weight tile stays, 1 to block_pixels", True),
    ("terms", 4, False, "ARRAY: how often the window's taps are read, 1 to 15", True),
    ("weight_base", 20, False, "ARRAY: first word in the weight memory"),
    ("parameter_base", 16, False, "ARRAY: first word in the parameter memory"),
    ("channels", 16, False, "ARRAY: output channels"),
    ("shift", 6, False, "right shift of requantization (ARRAY: 1 to 40; VECTOR: 0 to 31)"),
    ("zero_point", 17, True, "ARRAY: added after the shift"),
    ("lower", 17, True, "smallest output"),
    ("upper", 17, True, "largest output"),
    ("second_base", 20, False, "VECTOR ADD: address of the second operand"),
    ("left_shift", 4, False, "VECTOR ADD: left shift of each tap"),
    ("second_left_shift", 4, False, "VECTOR ADD: left shift of the second operand"),
    ("offset", 32, True, "VECTOR ADD: start value of the sum"),
    ("own_lane", 1, False, "ARRAY: of the complements that L1 columns subtract, column n takes that of lane n only"),
    ("streamed", 1, False, "ARRAY: weights come from the weight memory's ring, each group's once"),
    ("frees_input", 1, False, "after this layer nothing reads the image: the next one may be packed"),
))

_BY_NAME = {field.name: field for field in FIELDS}
DESCRIPTOR_WORDS = -(-sum(field.bits for field in FIELDS) // 32)


def used_columns(channels: int, group: int, columns: int) -> int:
    """Columns whose weights are loaded for a group of an ARRAY layer: those with a channel."""
    return min(columns, channels - group * columns)


def join(names: Iterable[str], values: Mapping[str, int]) -> int:
    """Fields side by side from bit 0; those without a value are 0.

    Raises
    ------
    ProgramError
        For a value that does not fit; names the field and its range.
    """
    record, offset = 0, 0
    for field in map(_BY_NAME.__getitem__, names):
        value = int(values.get(field.name, 0))
        low, high = (-(1 << field.bits - 1), (1 << field.bits - 1) - 1) if field.signed else (0, (1 << field.bits) - 1)
        if not low <= value <= high:
            raise ProgramError(f"descriptor field {field.name} ({field.meaning}) must be {low} to {high}, not {value}")
        record |= ((value - field.less_one) & ((1 << field.bits) - 1)) << offset
        offset += field.bits
    return record


def pack(**values: int) -> list[int]:
    """The words of one descriptor; fields not given are 0.

    Raises
    ------
    ProgramError
        For an unknown field or a value that does not fit; names the field and its range.
    """
    if unknown := sorted(set(values) - set(_BY_NAME)):
        raise ProgramError(f"a descriptor has no field {unknown[0]!r}")
    record = join(_BY_NAME, values)
    return [(record >> 32 * n) & 0xFFFFFFFF for n in range(DESCRIPTOR_WORDS)]


def unpack(words: list[int]) -> dict[str, int]:
    """The fields of one descriptor: the inverse of `pack`."""
    if len(words) != DESCRIPTOR_WORDS:
        raise ProgramError(f"a descriptor has {DESCRIPTOR_WORDS} words, not {len(words)}")
    record = sum(int(word) << 32 * n for n, word in enumerate(words))
    values = {}
    for field in FIELDS:
        value = (record + field.less_one) & ((1 << field.bits) - 1)
        values[field.name] = value - (1 << field.bits) if field.signed and value >> field.bits - 1 else value
        record >>= field.bits
    return values
