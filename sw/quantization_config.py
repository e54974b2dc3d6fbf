"""The numbers of the hardware that a network is quantized for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nomul.sw.steps import QuantizationError

__all__ = ["LayerBits", "QuantizationConfig"]


@dataclass(frozen=True)
class LayerBits:
    """Widths of one layer that has fewer bits than the hardware; None leaves the hardware's.

    Attributes
    ----------
    activation_bits : int, optional
        Of the codes that it makes, 2 to the network's `activation_bits`. The last layer has no use for it.
    l1_weight_bits : int, optional
        Of its L1 weights, 2 to the network's `l1_weight_bits`.
    """

    activation_bits: int | None = None
    l1_weight_bits: int | None = None


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
    layers : mapping of str to LayerBits
        Layers with widths of their own, by the names of their modules.

    Raises
    ------
    QuantizationError
        For a width that is not allowed.
    """

    activation_bits: int = 8
    shift_exponents: int = 8
    l1_weight_bits: int = 8
    layers: Mapping[str, LayerBits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        widths = {"activation_bits": range(2, 9), "l1_weight_bits": range(2, self.activation_bits + 1)}
        for key, values in (widths | {"shift_exponents": (2, 4, 8)}).items():
            _require(key, getattr(self, key), values)
        for name, bits in self.layers.items():
            for key in widths:
                if (value := getattr(bits, key)) is not None:
                    _require(f"{key} of layer {name!r}", value, range(2, getattr(self, key) + 1))

    def check_names(self, names: Iterable[str]) -> None:
        """Raises `QuantizationError` for a layer in `layers` that is not among `names`."""
        names = list(names)
        if unknown := [name for name in self.layers if name not in names]:
            raise QuantizationError(f"there is no layer {unknown[0]!r} to have bits of its own; the layers are "
                                    f"{', '.join(names)}")

    def largest_code(self, layer: str) -> int:
        """Largest code of a layer's output; "input" is the image."""
        bits = self.layers.get(layer, LayerBits()).activation_bits
        return (1 << (bits or self.activation_bits)) - 1

    def largest_weight(self, layer: str) -> int:
        """Largest code of a layer's L1 weights."""
        bits = self.layers.get(layer, LayerBits()).l1_weight_bits
        return (1 << (bits or self.l1_weight_bits)) - 1


def _require(what: str, value: int, allowed: Iterable[int]) -> None:
    if value not in allowed:
        raise QuantizationError(f"{what} must be one of {', '.join(map(str, allowed))}, not {value!r}")
