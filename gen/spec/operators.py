"""Weight codes: how a weight is written in the weight memory, and what one processing element makes of it.

A processing element (PE) yields a *leaf*; a column adds the leaves of its lanes. The leaf is chosen to be cheap
in hardware, and what it leaves out is a constant of the weights, *folded* into the channel's bias by the compiler.
With A activation bits, ``T = 2^A - 1``, the complement ``z = T - x`` and, for E exponents, ``U = 2^(A+E-1) - 1``:

========  ====================  ====================================  =========================  ================
operator  op(x, w)              leaf                                  column adds in one cycle   fold, each weight
========  ====================  ====================================  =========================  ================
L1        ``-|x - w|``          ``min(z + w, T)``                     ``2·Σ leaf - Σ z``         ``-w - T``
SHIFT     ``±(x << p)`` or 0    ``x << p``, ``U - (x << p)`` or 0     ``Σ leaf``                 ``-U`` if w < 0
SIGN      ``±x`` or 0           ``x``, ``z`` or 0                     ``Σ leaf``                 ``-T`` if w < 0
========  ====================  ====================================  =========================  ================

The L1 row: for ``z + w <= T`` (that is ``w <= x``) it is ``z + w - T = w - x``, else ``T - z - w = x - w``. The others
are one's complements, in which a negative number is its magnitude with every bit inverted.

With the configuration's `l1_minimum`, the L1 leaf is ``min(z, T - w)``, which is the leaf above less w; the column adds
``2·Σ leaf + Σ x``, and the fold is ``w - 2T`` for each weight: ``min(z, T - w)`` is ``T - x`` or ``T - w``, so that
``2·min(z, T - w) + x + w - 2T`` is ``w - x`` or ``x - w``, whichever is negative.

Where the configuration's processing elements are *unified*, SIGN has no weight 0 and is computed like L1: its leaf is
``T`` for 1 and ``z`` for -1, the column adds ``2·Σ leaf - Σ z`` in one cycle, and the fold is ``-T`` for each weight.

In a layer with `own_lane`, which takes the configuration's `depthwise_l1`, column n adds ``2·Σ leaf - z_n``, or with
`l1_minimum` ``2·Σ leaf + x_n``. Then a lane other than its own adds a constant if its weight is the first of
`foreign_weights`, for which the leaf is ``T``, or with `l1_minimum` 0.
"""

from enum import IntEnum

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError

__all__ = ["Operator", "WeightError", "decode", "encode", "fold", "foreign_weights", "own_lane_constant",
           "pad_weight", "weight_limits"]


class WeightError(NomulError):
    """A weight that the operator cannot express."""


class Operator(IntEnum):
    """What a layer does with an activation and a weight; the value is the descriptor's `operator` field."""

    L1 = 0
    SHIFT = 1
    SIGN = 2

    @property
    def key(self) -> str:
        """Name used in configurations and files: "l1", "shift" or "sign"."""
        return self.name.lower()

    @classmethod
    def from_key(cls, key: str) -> "Operator":
        """Inverse of `key`."""
        try:
            return cls[key.upper()]
        except KeyError:
            raise WeightError(f"unknown operator {key!r}; known are {', '.join(op.key for op in cls)}") from None


def weight_limits(operator: Operator, config: Config) -> str:
    """The allowed weights in words, for error messages."""
    return {
        Operator.L1: f"integers 0 to {2**config.l1_weight_bits - 1}",
        Operator.SHIFT: f"0 and ±2^p with p from 0 to {config.shift_exponents - 1}",
        Operator.SIGN: "-1 and 1, as processing elements are unified" if config.unified else "-1, 0 and 1",
    }[operator]


def encode(operator: Operator, weights: np.ndarray, config: Config) -> np.ndarray:
    """Weight codes of integer weights.

    L1: the weight itself. SHIFT, from bit 0: exponent (`config.exponent_bits`), negative (1), zero (1); the weight 0
    has exponent and negative 0. SIGN, from bit 0: positive (1), zero (1); the weight 0 counts as positive. SIGN with
    unified processing elements: positive, above A zeros.

    Parameters
    ----------
    weights : integer array of any shape
        L1: codes on the activations' step. SHIFT: 0 or ±2^p. SIGN: -1, 0, 1; without 0 if unified.

    Returns
    -------
    np.ndarray
        uint8, or uint16 if a code has more than 8 bits; same shape.

    Raises
    ------
    WeightError
        If a weight is out of range; names the first one.
    """
    weights = np.asarray(weights).astype(np.int64)
    if operator is Operator.L1:
        valid = (weights >= 0) & (weights < 2**config.l1_weight_bits)
        codes = weights
    else:
        magnitude = np.abs(weights)
        largest = config.shift_exponents - 1 if operator is Operator.SHIFT else 0
        valid = ((magnitude & (magnitude - 1)) == 0) & (magnitude <= 1 << largest)
        exponent = np.where(magnitude > 0, np.log2(np.maximum(magnitude, 1)).astype(np.int64), 0)
        zero = (weights == 0).astype(np.int64) << 1
        if operator is Operator.SHIFT:
            codes = (zero | (weights < 0)) << config.exponent_bits | exponent
        elif config.unified:
            valid &= weights != 0
            codes = (weights > 0).astype(np.int64) << config.activation_bits
        else:
            codes = zero | (weights >= 0)
    if not valid.all():
        where = tuple(int(i) for i in np.argwhere(~valid)[0])
        raise WeightError(f"weight {int(weights[where])} at {list(where)} is not a {operator.key} weight; "
                          f"allowed are {weight_limits(operator, config)}")
    return codes.astype(np.uint8 if config.operator_weight_bits(operator.key) <= 8 else np.uint16)


def decode(operator: Operator, codes: np.ndarray, config: Config) -> np.ndarray:
    """Integer weights of weight codes: the inverse of `encode` (int64, same shape)."""
    codes = np.asarray(codes).astype(np.int64)
    if operator is Operator.L1:
        return codes & (2**config.l1_weight_bits - 1)
    if operator is Operator.SIGN and config.unified:
        return np.where(codes >> config.activation_bits & 1, 1, -1)
    bits = config.exponent_bits if operator is Operator.SHIFT else 0
    magnitude = np.int64(1) << (codes & ((1 << bits) - 1))
    negative = (codes >> bits & 1) == (operator is Operator.SHIFT)
    return np.where((codes >> bits) & 2, 0, np.where(negative, -magnitude, magnitude))


def fold(operator: Operator, weights: np.ndarray, config: Config) -> np.ndarray:
    """What the leaves of each output channel leave out, to be added to its bias.

    Parameters
    ----------
    weights : integer array, shape (channels, ...)
        Every weight that the array sees, those of unused lanes included.

    Returns
    -------
    np.ndarray
        int64, shape (channels,).
    """
    flat = np.asarray(weights).astype(np.int64).reshape(len(weights), -1)
    bits = config.activation_bits + (config.shift_exponents - 1 if operator is Operator.SHIFT else 0)
    ones = (1 << bits) - 1
    if operator is Operator.L1:
        return (flat - 2 * ones if config.l1_minimum else -flat - ones).sum(axis=1)
    folded = np.ones_like(flat) if operator is Operator.SIGN and config.unified else flat < 0
    return -ones * folded.sum(axis=1)


def pad_weight(operator: Operator, zero_point: int, config: Config) -> int:
    """The weight of an unused lane, whose activation is always `zero_point`: its op is 0 but where no weight is 0."""
    if operator is Operator.SIGN:
        return -1 if config.unified else 0
    return zero_point if operator is Operator.L1 else 0


def foreign_weights(operator: Operator, config: Config) -> tuple[int, int]:
    """Of L1, and SIGN with unified processing elements: two weights whose ops of any activation have a constant sum."""
    return ((1 << config.activation_bits) - 1, 0) if operator is Operator.L1 else (1, -1)


def own_lane_constant(operator: Operator, config: Config) -> int:
    """What a lane that is not a column's own adds in a layer with `own_lane`, fold included."""
    weight = foreign_weights(operator, config)[:1]
    top = (1 << config.activation_bits) - 1
    leaf = 0 if operator is Operator.L1 and config.l1_minimum else top
    return 2 * leaf + int(fold(operator, np.array([weight]), config)[0])
