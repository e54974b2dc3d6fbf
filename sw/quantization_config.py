"""The numbers of the hardware that a network is quantized for."""

from dataclasses import dataclass

from nomul.sw.steps import QuantizationError

__all__ = ["QuantizationConfig"]


@dataclass(frozen=True)
class QuantizationConfig:
    """What the hardware computes with; the fields mean the same as in `nomul.gen.spec.config.Config`.

    Attributes
    ----------
    activation_bits : int
        2 to 8.
    shift_exponents : int
        2, 4 or 8.
    l1_weight_bits : int
        2 to `activation_bits`. With fewer than `activation_bits` the clamp of L1 weights is not lossless any more.
    """

    activation_bits: int = 8
    shift_exponents: int = 8
    l1_weight_bits: int = 8

    def __post_init__(self) -> None:
        allowed = {"activation_bits": range(2, 9), "shift_exponents": (2, 4, 8),
                   "l1_weight_bits": range(2, self.activation_bits + 1)}
        for key, values in allowed.items():
            if getattr(self, key) not in values:
                raise QuantizationError(f"{key} must be one of {', '.join(map(str, values))}, "
                                        f"not {getattr(self, key)!r}")
