"""Configurations for the fuzzer: a few that differ in everything, and random ones."""

import re
from typing import Any

import numpy as np

from nomul.gen.presets import load_config
from nomul.gen.spec.config import OPERATORS, Config, ConfigError

__all__ = ["fixed_configs", "named_config", "random_config"]

_RANDOM = re.compile(r"random-(\d+)")

#: Memories that simulate as fast as small ones, and hold most random networks.
_MEMORIES = {"weight_words": 16384, "parameter_words": 512, "activation_words": 4096, "image_bytes": 8192,
             "result_words": 128, "program_layers": 32}
#: A weight memory that many of them do not fit into.
_STREAM = {"weight_words": 512, "weight_stream": True}


def fixed_configs() -> list[Config]:
    """The same every time, so that their simulators are built once: wide and narrow arrays, few and many bits."""
    return [
        load_config("tiny"),
        load_config("demo"),
        _config("lanes", lanes=16, columns=4, operators=("l1", "shift", "sign"), leaf_register=False,
                tree_levels_per_register=0, accumulator_bits=26, block_pixels=7, requantizers=3,
                **_STREAM),
        _config("columns", lanes=2, columns=16, operators=("l1", "shift"), activation_bits=5, l1_weight_bits=4,
                shift_exponents=4, l1_minimum=True, tree_levels_per_register=2, block_pixels=33, requantizers=8),
        _config("unified", lanes=8, columns=8, operators=("l1", "sign"), activation_bits=6, l1_weight_bits=6,
                unified=True, depthwise_l1=True, accumulator_bits=18, vector_bits=37, block_pixels=16, requantizers=2),
        _config("narrow", lanes=2, columns=2, operators=("shift",), activation_bits=3, l1_weight_bits=2,
                shift_exponents=2, accumulator_bits=14, vector_bits=37, block_pixels=1, frame_bytes=64),
        _config("small", lanes=4, columns=2, operators=("l1", "shift"), accumulator_bits=22, block_pixels=16,
                map_side=20, pixel_words=24, frame_bytes=128,
                pack_windows=False, vector_sums=False, counters=False, serial_crc=True),
    ]


def named_config(name: str) -> Config:
    """One of these by its name; otherwise a preset, or a `.toml` file.

    Raises
    ------
    ConfigError
        If there is none, or the file does not describe a valid configuration.
    """
    if seed := _RANDOM.fullmatch(name):
        return random_config(int(seed[1]))
    return {config.name: config for config in fixed_configs()}.get(name) or load_config(name)


def random_config(seed: int) -> Config:
    """A configuration of at most 16 × 16 processing elements; the same for the same seed, which is not negative."""
    chance = np.random.default_rng([seed, 2])
    while True:
        fields: dict[str, Any] = {
            "lanes": int(2**chance.integers(1, 5)), "columns": int(2**chance.integers(1, 5)),
            "operators": tuple(chance.choice(OPERATORS, chance.integers(1, 4), replace=False).tolist()),
            "activation_bits": int(chance.integers(2, 9)), "l1_weight_bits": int(chance.integers(2, 9)),
            "shift_exponents": int(chance.choice([2, 4, 8])), "unified": bool(chance.integers(2)),
            "l1_minimum": bool(chance.integers(2)), "leaf_register": bool(chance.integers(2)),
            "depthwise_l1": bool(chance.integers(2)), "vector_bits": int(chance.choice([16, 24, 37])),
            "tree_levels_per_register": int(chance.integers(0, 4)),
            "accumulator_bits": int(chance.choice([16, 20, 24, 32, 40])),
            "block_pixels": int(chance.choice([1, 2, 5, 16, 64])), "requantizers": int(chance.integers(1, 17)),
            "frame_bytes": int(chance.choice([64, 128, 1024])),
            "map_side": int(chance.choice([24, 63, 2047])), "pixel_words": int(chance.choice([40, 1023])),
            "pack_windows": bool(chance.integers(3)), "vector_sums": bool(chance.integers(3)),
             "counters": bool(chance.integers(3)),
            "serial_crc": not chance.integers(4),
            **(_STREAM if chance.integers(2) else {}),
        }
        try:
            return _config(f"random-{seed}", **fields)
        except ConfigError:     # fields that do not go together
            continue


def _config(name: str, **fields: Any) -> Config:
    return Config.from_dict({"name": name, **_MEMORIES, **fields})
