"""Descriptor fields that say where a layer's windows lie, shared by array and vector layers."""

from nomul.gen.spec.program import ADDRESS_BITS
from nomul.sw.network import Tensor

__all__ = ["WindowFields", "address", "place", "window_fields"]

WindowFields = dict[str, int]


def address(value: int) -> int:
    """An address or step as the hardware counts it: modulo 2^20."""
    return value % (1 << ADDRESS_BITS)


def place(tensor: Tensor, base: int, lanes: int) -> dict[str, int]:
    """Where a tensor lies in the activation memory, and its shape."""
    return {"base": base, "channel_words": -(-tensor.channels // lanes), "channels": tensor.channels,
            "height": tensor.height, "width": tensor.width}


def window_fields(source: Tensor, placed: dict[str, int], kernel: tuple[int, int], stride: int, padding: int,
                  output: Tensor) -> WindowFields:
    """Fields from `stride` to `output_pixels` but `tap_row_step`, which counts tiles in one engine, taps in the other.

    Parameters
    ----------
    source, output : Tensor
        The map that is read and the map that is written.
    placed : dict
        Where `source` lies.
    kernel : tuple of int
        (height, width).
    """
    # With one window the stride moves nothing; 1 always fits its field.
    stride = 1 if (output.height, output.width) == (1, 1) else stride
    words = placed["channel_words"]
    return {
        "stride": stride, "padding_top": padding, "padding_left": padding,
        "kernel_height": kernel[0], "kernel_width": kernel[1], "pad_code": source.zero_point,
        "input_height": source.height, "input_width": source.width, "channel_words": words,
        "input_base": address(placed["base"] - padding * (source.width + 1) * words),
        "pixel_step": address(stride * words),
        "row_step": address(stride * (source.width - (output.width - 1)) * words),
        "output_width": output.width, "output_pixels": output.height * output.width,
    }
