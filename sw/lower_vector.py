"""Layers without weights: descriptors of the vector engine."""

from collections.abc import Iterator

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.program import Mode, Opcode
from nomul.sw.contract import mean_scale, signed_bits
from nomul.sw.geometry import Geometry
from nomul.sw.lower_window import ONE_BY_ONE, Place, address, window_fields
from nomul.sw.network import Add, AveragePool, Concat, MaxPool, Tensor, Upsample

__all__ = ["SumError", "lower_vector"]

VectorLayer = MaxPool | AveragePool | Add | Concat | Upsample
Fields = dict[str, int]


class SumError(NomulError):
    """Sums that the vector engine has no adders for, or that do not fit into them."""


def lower_vector(layer: VectorLayer, sources: list[Tensor], placed: list[Place], target: Place,
                 config: Config) -> list[Fields]:
    """Fields of the VECTOR descriptors: one, but for a concatenation one an input, for an upsampling four.

    Parameters
    ----------
    sources : list of Tensor
        The tensors that the layer reads, which lie at `placed`.
    target : Place
        Where the output goes.

    Raises
    ------
    SumError
        If a sum can be wider than the configuration's `vector_bits`, or if it has no `vector_sums`.
    """
    descriptors = _lowered(layer, sources, placed, target, config)
    if not config.vector_sums and any(fields["mode"] == Mode.ADD for fields in descriptors):
        raise SumError(f"it adds or rescales, which configuration {config.name!r} has no adders for: set vector_sums = "
                       "true")
    needed = max(_sum_bits(fields, config) for fields in descriptors)
    if needed > config.vector_bits:
        raise SumError(f"its sums take {needed} bits: raise vector_bits from {config.vector_bits}")
    return descriptors


def _sum_bits(fields: Fields, config: Config) -> int:
    """Of a descriptor's sums, which grow from the offset on, and are shifted by less than they are wide."""
    if fields["mode"] == Mode.MAX:
        return 0
    offset, codes = fields["offset"], (1 << config.activation_bits) - 1
    most = offset + fields["kernel_height"] * fields["kernel_width"] * (codes << fields.get("left_shift", 0))
    if fields.get("two_operands"):
        most += codes << fields["second_left_shift"]
    return max(signed_bits(offset, most), fields.get("shift", 0) + 1)


def _lowered(layer: VectorLayer, sources: list[Tensor], placed: list[Place], target: Place,
             config: Config) -> list[Fields]:
    if isinstance(layer, Concat):
        return list(_concatenation(layer, sources, placed, target, config))
    if isinstance(layer, Upsample):
        return list(_upsampling(sources[0], placed[0], target, config))
    if isinstance(layer, Add):
        return [_sum(layer, sources, placed, target, config)]
    fields = _common(sources[0], placed[0], layer.kernel, layer.geometry, layer.output, target, config)
    if isinstance(layer, MaxPool):
        return [fields | {"mode": Mode.MAX, "pad_code": 0}]
    _, shift = mean_scale(layer.kernel[0] * layer.kernel[1])
    return [fields | {"mode": Mode.ADD, "shift": shift, "offset": 1 << shift >> 1}]


def _common(source: Tensor, placed: Place, kernel: tuple[int, int], geometry: Geometry, output: Tensor, target: Place,
            config: Config) -> Fields:
    """What all have: windows, channel words, and outputs from the target's first word on."""
    words = placed["channel_words"]
    return {
        **window_fields(source, placed, kernel, geometry, output), "opcode": Opcode.VECTOR, "groups": words,
        "tap_step": words, "tap_row_step": address((source.width - kernel[1] + 1) * words),
        "output_base": target["base"], "output_pixel_step": target["channel_words"],
        "output_row_step": target["channel_words"],
        "lower": 0, "upper": (1 << config.activation_bits) - 1,
    }


def _sum(layer: Add, sources: list[Tensor], placed: list[Place], target: Place, config: Config) -> Fields:
    # Rounding and all three zero points, in units of the sum before its shift.
    offset = (1 << layer.shift >> 1) + (layer.output.zero_point << layer.shift)
    offset -= sum(source.zero_point << left for source, left in zip(sources, layer.left_shifts, strict=True))
    return _common(sources[0], placed[0], (1, 1), ONE_BY_ONE, layer.output, target, config) | {
        "mode": Mode.ADD, "two_operands": 1, "second_base": placed[1]["base"],
        "channel_words": placed[1]["channel_words"],
        "left_shift": layer.left_shifts[0], "second_left_shift": layer.left_shifts[1],
        "shift": layer.shift, "offset": offset, "lower": layer.lower, "upper": layer.upper,
    }


def _concatenation(layer: Concat, sources: list[Tensor], placed: list[Place], target: Place,
                   config: Config) -> Iterator[Fields]:
    """Each input is brought to the output's grid while it is copied to its words."""
    word = target["base"]
    for source, where in zip(sources, placed, strict=True):
        steps = source.exponent - layer.output.exponent
        left, shift = max(steps, 0), max(-steps, 0)
        offset = (1 << shift >> 1) + (layer.output.zero_point << shift) - (source.zero_point << left)
        fields = _common(source, where, (1, 1), ONE_BY_ONE, source, target, config) | {"output_base": word}
        yield fields | ({"mode": Mode.ADD, "left_shift": left, "shift": shift, "offset": offset}
                        if left or shift or offset else {"mode": Mode.MAX})
        word += where["channel_words"]


def _upsampling(source: Tensor, placed: Place, target: Place, config: Config) -> Iterator[Fields]:
    """One copy of the map for each of a pixel's four places."""
    words, width = target["channel_words"], target["width"]
    # From the last but one pixel of a row to the first of the row after the next.
    row_step = address((2 * width - (width - 2)) * words)
    for row in range(2):
        for column in range(2):
            yield _common(source, placed, (1, 1), ONE_BY_ONE, source, target, config) | {
                "mode": Mode.MAX, "output_base": target["base"] + (row * width + column) * words,
                "output_pixel_step": 2 * words, "output_row_step": row_step}
