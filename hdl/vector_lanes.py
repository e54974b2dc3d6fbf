"""The lanes of the vector engine: what becomes of the taps that it reads, and of their sums."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import FIELDS, Mode
from nomul.hdl.descriptor import Layer

__all__ = ["TAG", "add_taps", "compare_taps"]

#: What a word read from memory means, and what its sum completes.
TAG = data.StructLayout({"outside": 1, "second": 1, "first": 1, "last": 1, "row_end": 1, "map_end": 1, "end": 1})

#: Of a tap.
_LARGEST_SHIFT = next(2**field.bits - 1 for field in FIELDS if field.name == "left_shift")


def _larger(a: Value, b: Value) -> Value:
    return Mux(a > b, a, b)


def compare_taps(m: Module, config: Config, layer: Layer, tags: list[data.View], words: data.View,
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


def add_taps(m: Module, config: Config, layer: Layer, tags: list[data.View], words: data.View,
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
    codes = 2**bits - 1
    sum_shape = signed(config.vector_bits)

    left_shift, shift = Signal(4), Signal(5)
    offset, lower, upper = Signal(sum_shape), Signal(bits), Signal(bits)
    maximum = layer.mode == Mode.MAX
    with m.If(maximum):
        m.d.comb += upper.eq(codes)
    with m.Else():
        m.d.comb += [
            left_shift.eq(Mux(tags[3].second, layer.second_left_shift, layer.left_shift)),
            shift.eq(layer.shift), offset.eq(layer.offset), lower.eq(layer.lower), upper.eq(layer.upper),
        ]

    for lane in range(config.lanes):
        tap = Signal(bits, name=f"tap_{lane}")
        term = Signal(min(bits + _LARGEST_SHIFT, config.vector_bits), name=f"term_{lane}")
        total, before, quotient = (Signal(sum_shape, name=f"{name}_{lane}")
                                   for name in ("total", "before", "quotient"))
        m.d.comb += before.eq(Mux(tags[4].first, offset, total))
        m.d.sync += [
            tap.eq(Mux(tags[2].outside, layer.pad_code, words[lane])),
            term.eq(tap << left_shift),
            total.eq(Mux(maximum, _larger(term[:bits], before[:bits]), before + term)),
            quotient.eq(total >> shift),
        ]
        low = quotient[:bits]
        with m.If(quotient < 0):
            m.d.sync += results[lane].eq(lower)
        with m.Elif(quotient[bits:-1].any() | (low > upper)):
            m.d.sync += results[lane].eq(upper)
        with m.Else():
            m.d.sync += results[lane].eq(_larger(lower, low))
