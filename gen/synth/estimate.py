"""What an accelerator should take, by the measured cost of its processing elements: said before, and compared after."""

from collections.abc import Mapping

from nomul.gen.spec.config import Config

__all__ = ["array_luts", "expected_luts", "plausible"]

#: Look-up tables of an operation per cycle with its share of tree and accumulator, for 8-bit activations and 16 lanes;
#: shift by its number of exponents. ``nomul bench array --target ecp5 --no-route`` and so on (docs/arrays.md).
_COSTS: Mapping[str, Mapping[str, float]] = {
    "ecp5": {"l1": 20.5, "sign": 10.5, "shift4": 28.3, "shift8": 47.3, "unified": 20.5},
    "ice40": {"l1": 17.4, "sign": 17.4, "shift4": 32.4, "shift8": 51.4, "unified": 18.4},
    "gowin": {"l1": 19.4, "sign": 14.9, "shift4": 33.4, "shift8": 52.4, "unified": 19.4},
    "xilinx": {"l1": 13.6, "sign": 7.3, "shift4": 16.9, "shift8": 28.0, "unified": 13.6},
}
#: Everything else, roughly: for the whole accelerator, and for each column (a requantizer among it).
_CONTROL, _COLUMN = 3000, 250


def _kinds(config: Config) -> list[str]:
    """The processing elements of a lane and column, by the names of the costs."""
    kinds: list[str] = ["unified"] if config.unified else [name for name in ("l1", "sign") if name in config.operators]
    if "shift" in config.operators:
        # The costs of two exponents were not measured; they are between those of one and those of four.
        kinds.append({2: "sign", 4: "shift4", 8: "shift8"}[config.shift_exponents])
    return kinds


def array_luts(config: Config, family: str) -> int:
    """Look-up tables of the processing array alone, which no accelerator does with much less than.

    Parameters
    ----------
    config : Config
        The accelerator.
    family : str
        A key of `nomul.gen.synth.family.FAMILIES`.
    """
    costs = _COSTS[family]
    each = sum(costs[kind] for kind in _kinds(config)) * config.activation_bits / 8
    return round(config.lanes * config.columns * each)


def expected_luts(config: Config, family: str) -> int:
    """Look-up tables of the whole accelerator, within a factor of two or three."""
    return array_luts(config, family) + _CONTROL + config.columns * _COLUMN


def plausible(value: float, expected: float) -> bool:
    """Whether two figures are of the same power of ten, within a factor of ten: otherwise one of them is wrong."""
    return expected / 10 <= value <= expected * 10
