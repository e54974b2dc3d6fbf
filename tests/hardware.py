"""Small helpers for tests of hardware blocks."""

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
