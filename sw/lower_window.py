"""Where tensors lie in the activation memory, and the descriptor fields that say where a layer's windows lie."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nomul.gen.spec.program import ADDRESS_BITS
from nomul.sw.geometry import Geometry
from nomul.sw.network import Tensor

__all__ = ["ONE_BY_ONE", "Place", "address", "lanes_of", "place", "window_fields", "words_of"]

#: base, channel_words (words of a pixel), channels, height, width, segments.
Place = dict[str, Any]

#: The window of a layer that takes each pixel for itself.
ONE_BY_ONE = Geometry.of(1, 0, 1, 1)


def address(value: int) -> int:
    """An address or step as the hardware counts it: modulo 2^20."""
    return value % (1 << ADDRESS_BITS)


def words_of(segments: Sequence[int], lanes: int) -> int:
    """Words of a pixel: each segment's channels begin in a word of their own."""
    return sum(-(-channels // lanes) for channels in segments)


def place(tensor: Tensor, base: int, segments: Sequence[int], lanes: int) -> Place:
    """Where a tensor lies in the activation memory, and its shape.

    Parameters
    ----------
    segments : sequence of int
        Its channels, in parts that begin a word each; a concatenated tensor has several.
    """
    return {"base": base, "channel_words": words_of(segments, lanes), "channels": tensor.channels,
            "height": tensor.height, "width": tensor.width, "segments": list(segments)}


def lanes_of(segments: Sequence[int], lanes: int) -> np.ndarray:
    """Where each channel lies within a pixel, counted in lanes."""
    positions, first = [], 0
    for channels in segments:
        positions.append(first + np.arange(channels))
        first += -(-channels // lanes) * lanes
    return np.concatenate(positions)


def window_fields(source: Tensor, placed: Place, kernel: Sequence[int], geometry: Geometry,
                  output: Tensor) -> dict[str, int]:
    """Fields from `stride_y` to `output_pixels` but those of taps and channel words, which each engine counts its way.

    Parameters
    ----------
    source, output : Tensor
        The map that is read and the map that is written.
    placed : Place
        Where `source` lies.
    kernel : (height, width)
        Taps.
    geometry : Geometry
        How the window moves.
    """
    (above, left), words = geometry.padding, placed["channel_words"]
    # With one window a stride moves nothing; 1 always fits its field.
    down, across = (stride if size > 1 else 1
                    for stride, size in zip(geometry.stride, (output.height, output.width), strict=True))
    return {
        "stride_y": down, "stride_x": across, "padding_top": above, "padding_left": left,
        "kernel_height": kernel[0], "kernel_width": kernel[1], "pad_code": source.zero_point,
        "input_height": source.height, "input_width": source.width,
        "input_base": address(placed["base"] - (above * source.width + left) * words),
        "pixel_step": address(across * words),
        "row_step": address((down * source.width - (output.width - 1) * across) * words),
        "output_width": output.width, "output_pixels": output.height * output.width,
    }
