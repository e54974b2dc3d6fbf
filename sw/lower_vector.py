"""Pooling and residual add: descriptors of the vector engine."""

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import Mode, Opcode
from nomul.sw.lower_window import address, window_fields
from nomul.sw.network import Add, AveragePool, MaxPool, Tensor

__all__ = ["lower_vector"]


def lower_vector(layer: MaxPool | AveragePool | Add, sources: list[Tensor], placed: list[dict[str, int]],
                 target: dict[str, int], config: Config) -> dict[str, int]:
    """Fields of one VECTOR descriptor.

    Parameters
    ----------
    sources : list of Tensor
        The tensors that the layer reads, which lie at `placed`.
    target : dict
        Where the output goes.
    """
    kernel, stride = ((1, 1), 1) if isinstance(layer, Add) else (layer.kernel, layer.stride)
    words = placed[0]["channel_words"]
    common = {
        **window_fields(sources[0], placed[0], kernel, stride, 0, layer.output),
        "opcode": Opcode.VECTOR, "groups": words,
        "tap_row_step": address((sources[0].width - kernel[1] + 1) * words),
        "output_base": target["base"], "output_pixel_step": target["channel_words"],
        "lower": 0, "upper": (1 << config.activation_bits) - 1,
    }
    if isinstance(layer, MaxPool):
        return common | {"mode": Mode.MAX}
    if isinstance(layer, AveragePool):
        shift = (kernel[0] * kernel[1]).bit_length() - 1
        return common | {"mode": Mode.ADD, "shift": shift, "offset": 1 << shift >> 1}
    # Rounding and all three zero points, in units of the sum before its shift.
    offset = (1 << layer.shift >> 1) + (layer.output.zero_point << layer.shift)
    offset -= sum(source.zero_point << left for source, left in zip(sources, layer.left_shifts, strict=True))
    return common | {
        "mode": Mode.ADD, "two_operands": 1, "second_base": placed[1]["base"],
        "left_shift": layer.left_shifts[0], "second_left_shift": layer.left_shifts[1],
        "shift": layer.shift, "offset": offset, "lower": layer.lower, "upper": layer.upper,
    }
