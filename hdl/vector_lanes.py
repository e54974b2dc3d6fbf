"""The lanes of the vector engine: what becomes of the taps that it reads, and of their sums."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import FIELDS, Mode
from nomul.hdl.descriptor import Layer
from nomul.hdl.fabric import Fabric

__all__ = ["TAG", "add_taps", "compare_taps"]

#: What a word read from memory means, and what its sum completes.
TAG = data.StructLayout({"outside": 1, "second": 1, "first": 1, "last": 1, "row_end": 1, "map_end": 1, "end": 1})

#: Of a tap.
_LARGEST_SHIFT = next(2**field.bits - 1 for field in FIELDS if field.name == "left_shift")


def _larger(a: Value, b: Value) -> Value:
    return Mux(a > b, a, b)


def compare_taps(m: Module, fabric: Fabric, config: Config, layer: Layer, tags: list[data.View], words: data.View,
                 results: data.View) -> None:
    """Lanes for MAX only: take the tap, compare; one register after each. See `add_taps`."""
    bits = config.activation_bits
    for lane in range(config.lanes):
        tap, largest = Signal(bits, name=f"tap_{lane}"), Signal(bits, name=f"largest_{lane}")
        m.d.sync += [
            tap.eq(Mux(tags[2].outside, layer.pad_code, words[lane])),
            largest.eq(Mux(tags[3].first | (tap > largest), tap, largest)),
        ]
        m.d.comb += results[lane].eq(largest)


def add_taps(m: Module, fabric: Fabric, config: Config, layer: Layer, tags: list[data.View], words: data.View,
             results: data.View) -> None:
    """Lanes for all modes: take the tap, shift it, add or compare, shift the sum, clamp; one register after each.

    MAX is ADD with neutral constants and a comparison for the addition; it begins at 0, the least code.

    Parameters
    ----------
    tags : list of TAG
        ``tags[n]`` belongs to the word whose address was issued n cycles before.
    words : lanes × unsigned(A)
        From memory, of ``tags[2]``.
    results : lanes × unsigned(A)
        Of the last of `tags`.
    """
    bits = config.activation_bits
    sum_shape = signed(config.vector_bits)
    # What all lanes are told, a cycle before they need it, so that each group of them has it in registers of its own.
    told = Signal(data.StructLayout({
        "outside": 1, "pad_code": bits, "maximum": 1, "first": 1, "offset": sum_shape, "lower": bits, "upper": bits,
        # A code that is shifted further to the left, or a sum that is to the right, leaves nothing.
        "left_shift": range(min(_LARGEST_SHIFT, config.vector_bits - 1 - bits) + 1),
        "shift": range(config.vector_bits),
    }))
    m.d.comb += [
        told.outside.eq(tags[1].outside), told.pad_code.eq(layer.pad_code), told.first.eq(tags[3].first),
        told.maximum.eq(layer.mode == Mode.MAX),
    ]
    with m.If(told.maximum):
        m.d.comb += told.upper.eq(2**bits - 1)
    with m.Else():
        m.d.comb += [
            told.left_shift.eq(Mux(tags[2].second, layer.second_left_shift, layer.left_shift)),
            told.shift.eq(layer.shift), told.offset.eq(layer.offset),
            told.lower.eq(layer.lower), told.upper.eq(layer.upper),
        ]
    groups = fabric.close_groups(config.lanes, fabric.close_lanes)
    for group, copy in zip(groups, fabric.copies(m, "told", told.as_value(), len(groups)), strict=True):
        for lane in group:
            _add_lane(m, config, lane, data.View(told.shape(), copy), words[lane], results[lane])


def _add_lane(m: Module, config: Config, lane: int, told: data.View, word: Value, result: Value) -> None:
    bits, sum_shape = config.activation_bits, signed(config.vector_bits)
    tap = Signal(bits, name=f"tap_{lane}")
    term = Signal(min(bits + _LARGEST_SHIFT, config.vector_bits - 1), name=f"term_{lane}")
    total, before, quotient = (Signal(sum_shape, name=f"{name}_{lane}") for name in ("total", "before", "quotient"))
    m.d.comb += before.eq(Mux(told.first, told.offset, total))
    m.d.sync += [
        tap.eq(Mux(told.outside, told.pad_code, word)),
        term.eq(tap << told.left_shift),
        total.eq(Mux(told.maximum, _larger(term[:bits], before[:bits]), before + term)),
        quotient.eq(total >> told.shift),
    ]
    low = quotient[:bits]
    with m.If(quotient < 0):
        m.d.sync += result.eq(told.lower)
    with m.Elif(quotient[bits:-1].any() | (low > told.upper)):
        m.d.sync += result.eq(told.upper)
    with m.Else():
        m.d.sync += result.eq(_larger(told.lower, low))
