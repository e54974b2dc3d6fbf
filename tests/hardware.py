"""Small helpers for tests of hardware blocks."""

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import pack


def descriptor(**fields):
    """A layer descriptor as one integer, to be set on a DESCRIPTOR port's value."""
    return sum(word << 32 * n for n, word in enumerate(pack(**fields)))


def small_config(**fields):
    """A configuration of 4 × 4 with every operator, and what `fields` say otherwise."""
    values = {"name": "test", "lanes": 4, "columns": 4, "operators": ("l1", "shift", "sign"), "block_pixels": 8,
              "weight_words": 256, "parameter_words": 64, "activation_words": 128, "result_words": 64,
              "program_layers": 8, "frame_bytes": 64}
    return Config(**(values | fields))


def packed_image(compiled, image):
    """The tensor "input" of a compiled network, shape (channels, H, W), of an image (C, H, W)."""
    windows, around = compiled.windows, [(0, 0), (16, 16), (16, 16)]
    kernel = windows["kernel_height"], windows["kernel_width"]
    padded = np.pad(image, around, constant_values=windows["pad_code"])
    every = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))   # (C, y, x, row, column)
    height, width = compiled.tensors["input"]["height"], compiled.tensors["input"]["width"]
    taken = every[:, 16 - windows["padding_top"]::windows["stride_y"],
                  16 - windows["padding_left"]::windows["stride_x"]]
    return taken[:, :height, :width].transpose(3, 4, 0, 1, 2).reshape(-1, height, width)
