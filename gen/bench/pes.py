"""The arrays that the benchmark measures, by name, and the frame each is measured in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nomul.gen.bench.multipliers import GatedMultiplier, MergedMultiplier, RowMultiplier
from nomul.gen.bench.plain import TextbookL1, ToolMultiplier
from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.hdl.fabric import FABRICS
from nomul.hdl.pe import kind_for
from nomul.hdl.subarray import SubArray

__all__ = ["BASELINE", "PES", "Pe", "PeError", "Size", "build_array", "configuration", "with_baseline"]

#: The array that all others are compared with.
BASELINE = "multiplier-rows"


class PeError(NomulError):
    """An array that the benchmark doesn't know."""


@dataclass(frozen=True)
class Size:
    """How large the arrays are: lanes and columns, bits of an activation and of an L1 weight or a factor."""

    lanes: int = 16
    columns: int = 4
    activation_bits: int = 8
    weight_bits: int = 8

    @property
    def counterpart(self) -> "Size":
        """The same with half the columns, or twice as many if there are 2: what differs is the cost of columns."""
        return replace(self, columns=self.columns // 2 if self.columns > 2 else 4)


@dataclass(frozen=True)
class Pe:
    """One kind of array.

    Attributes
    ----------
    summary : str
        What a lane adds to the sum.
    build : callable
        The array for a configuration, and for whether the target's adders take gated operands.
    shift_exponents : int
        Exponents of a shift weight.
    dsp : bool
        Whether the tools may use DSP blocks.
    """

    summary: str
    build: Callable[[Config, bool], Any]
    shift_exponents: int = 8
    dsp: bool = False


#: Every array by its name: ours, and after them what they are compared with, which no accelerator can have.
PES = {
    "l1": Pe("-|x - w|", lambda config, _: SubArray(config, kind_for("l1", config).name)),
    "sign": Pe("x, 0 or -x", lambda config, _: SubArray(config, "sign")),
    "shift4": Pe("±x·2^p for p from 0 to 3, or 0", lambda config, _: SubArray(config, "shift"), shift_exponents=4),
    "shift8": Pe("±x·2^p for p from 0 to 7, or 0", lambda config, _: SubArray(config, "shift")),
    "unified": Pe("-|x - w| or ±x", lambda config, _: SubArray(config, "unified")),
    "textbook": Pe("|x - w| in plain operators", lambda config, _: TextbookL1(config)),
    "multiplier-rows": Pe("w·x: hand-made, rows of ±x and ±3x", RowMultiplier),
    "multiplier-gated": Pe("w·x: hand-made, a gated row for each weight bit", GatedMultiplier),
    "multiplier-merged": Pe("Σ w·x: hand-made, the rows of two lanes in one", MergedMultiplier),
    "multiplier-tool": Pe("w·x: the tool's own, no DSP blocks", lambda config, _: ToolMultiplier(config)),
    "multiplier-dsp": Pe("w·x: DSP blocks", lambda config, _: ToolMultiplier(config), dsp=True),
}


def with_baseline(names: Sequence[str]) -> list[str]:
    """`names` and the baseline, each once, in the order of `PES`.

    Raises
    ------
    PeError
        For an unknown name; lists the known ones.
    """
    if unknown := [name for name in names if name not in PES]:
        raise PeError(f"unknown processing element {unknown[0]!r}; known are {', '.join(PES)}")
    return [name for name in PES if name in names or name == BASELINE]


def configuration(name: str, target: str, size: Size) -> Config:
    """The configuration of the array `name`, with the registers that pay on a target.

    Raises
    ------
    ConfigError
        For sizes and widths that are not allowed; names those that are.
    """
    fabric = FABRICS[target]
    return Config(name="bench", lanes=size.lanes, columns=size.columns, operators=("l1",),
                  activation_bits=size.activation_bits, l1_weight_bits=size.weight_bits,
                  shift_exponents=PES[name].shift_exponents,
                  l1_minimum=fabric.l1_minimum, leaf_register=fabric.leaf_register,
                  tree_levels_per_register=fabric.tree_levels_per_register,
                  result_words=max(64, size.columns), frame_bytes=4096)


def build_array(name: str, target: str, size: Size) -> Any:
    """The array `name` as it suits a target.

    Parameters
    ----------
    name : str
        A key of `PES`.
    target : str
        A key of `nomul.hdl.fabric.FABRICS`.
    size : Size
        Of the array.

    Raises
    ------
    ConfigError
        As `configuration`.
    """
    return PES[name].build(configuration(name, target, size), FABRICS[target].merged["invert"] == 2)
