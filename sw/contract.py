"""The integer contract: what every layer computes, in plain integers (NumPy int64).

Golden model, hardware and compiler are checked against these definitions. Everything is about raw codes: an
activation is an unsigned code of A bits whose real value is ``(code - zero_point) · 2^exponent``.

- Array layer: ``acc[c] = bias[c] + Σ_k op(x_k, w[c, k])``, then `requantize`. Taps outside the map read as the input's
  zero point and are computed like any other. For SHIFT and SIGN the zero point's share ``-z·Σw`` is part of the
  bias; L1 weights are codes on the input's own grid, so that it cancels.
- Pooling, residual add and concatenation: `maximum`, `average`, `residual`, `rescale`.
"""

import numpy as np
from numpy.typing import ArrayLike

from nomul.gen.spec.operators import Operator

__all__ = ["ACCUMULATOR_BITS", "LOGIT_LOWER", "LOGIT_UPPER", "MAX_LEFT_SHIFT", "MAX_SHIFT", "MAX_TERMS",
           "MAX_VECTOR_SHIFT", "MULTIPLIER_BITS", "accumulate", "accumulator_range", "average", "maximum", "mean_scale",
           "op", "requantize", "rescale", "residual", "signed_bits"]

#: No accumulator is wider, so that all products fit in int64.
ACCUMULATOR_BITS = 40
#: Magnitude bits of a multiplier; its magnitude is also below 2^shift, so the scale is below 1.
MULTIPLIER_BITS = 16
#: The requantization's right shift is 1 to this.
MAX_SHIFT = 40
#: Left and right shifts of residual adds and concatenations are 0 to these.
MAX_LEFT_SHIFT, MAX_VECTOR_SHIFT = 15, 31
#: A layer reads its input 1 to this many times.
MAX_TERMS = 15
#: Logits are signed 16 bit.
LOGIT_LOWER, LOGIT_UPPER = -(1 << 15), (1 << 15) - 1


def op(operator: Operator, x: ArrayLike, w: ArrayLike) -> np.ndarray:
    """``-|x - w|`` for L1, ``x·w`` for SHIFT (w is 0 or ±2^p) and SIGN (w is -1, 0 or 1); broadcasts, int64."""
    x, w = np.asarray(x, dtype=np.int64), np.asarray(w, dtype=np.int64)
    return -np.abs(x - w) if operator is Operator.L1 else x * w


def accumulate(operator: Operator, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Accumulators of array-layer outputs.

    Parameters
    ----------
    x : integer array, shape (..., K)
        The codes under the window.
    weight : integer array, shape (channels, K)
        Integer weights.
    bias : integer array, shape (channels,)
        Start values.

    Returns
    -------
    np.ndarray
        int64, shape (..., channels).
    """
    return np.asarray(bias, dtype=np.int64) + op(operator, np.asarray(x)[..., None, :], weight).sum(axis=-1)


def accumulator_range(operator: Operator, weight: np.ndarray, bias: np.ndarray,
                      activation_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest accumulator that any input codes can give, per channel.

    Parameters
    ----------
    weight : integer array, shape (channels, ...)
        Integer weights.
    bias : integer array, shape (channels,)
        Start values.
    activation_bits : int
        Inputs are codes 0 to 2^activation_bits - 1.

    Returns
    -------
    tuple of np.ndarray
        (smallest, largest), int64, shape (channels,). Both are reached, except where no code equals an L1 weight.
    """
    flat = np.asarray(weight, dtype=np.int64).reshape(len(weight), -1)
    ends = np.stack([op(operator, x, flat) for x in (0, (1 << activation_bits) - 1)])
    largest = np.zeros_like(flat) if operator is Operator.L1 else ends.max(axis=0)
    return bias + ends.min(axis=0).sum(axis=1), bias + largest.sum(axis=1)


def signed_bits(smallest: int, largest: int) -> int:
    """Bits of the narrowest two's complement number that holds both values."""
    return max((~int(smallest) if smallest < 0 else int(smallest)).bit_length(),
               (~int(largest) if largest < 0 else int(largest)).bit_length()) + 1


def requantize(acc: np.ndarray, multiplier: np.ndarray, shift: int, zero_point: int, lower: int,
               upper: int) -> np.ndarray:
    """``clamp(((acc·M + 2^(shift-1)) >> shift) + zero_point, lower, upper)``: floor shift, so round half up.

    Parameters
    ----------
    acc, multiplier : integer arrays that broadcast
        |acc| < 2^40; |M| < 2^16 and |M| < 2^shift.
    shift : int
        1 to 40.
    zero_point, lower, upper : int
        The output's zero point and the clamp's bounds (both inclusive).

    Returns
    -------
    np.ndarray
        int64.
    """
    product = np.asarray(acc, dtype=np.int64) * np.asarray(multiplier, dtype=np.int64)
    return np.clip(((product + (1 << shift - 1)) >> shift) + zero_point, lower, upper)


def maximum(codes: np.ndarray) -> np.ndarray:
    """Max pooling: the largest of the codes on the last axis."""
    return np.asarray(codes, dtype=np.int64).max(axis=-1)


def mean_scale(count: int) -> tuple[int, int]:
    """M and S with M/2^S = 1/count: exactly for a power of two (M = 1), else with the 16 bits of a multiplier."""
    shift = (count - 1).bit_length()
    if 1 << shift == count:
        return 1, shift
    shift += MULTIPLIER_BITS - 1
    return ((1 << shift) + count // 2) // count, shift


def average(codes: np.ndarray, zero_point: int) -> np.ndarray:
    """Average pooling: the mean of the codes on the last axis, rounded half up.

    ``((Σ (code - z)·M + 2^(S-1)) >> S) + z`` with M and S of `mean_scale`; for one code itself.
    """
    multiplier, shift = mean_scale(codes.shape[-1])
    total = (np.asarray(codes, dtype=np.int64) - zero_point).sum(axis=-1)
    return ((total * multiplier + (1 << shift >> 1)) >> shift) + zero_point


def rescale(codes: np.ndarray, zero_point: int, steps: int, target_zero_point: int, upper: int) -> np.ndarray:
    """Codes on another grid, whose step is 2^-steps times their own, rounded half up and clamped to 0 .. `upper`."""
    left, shift = max(steps, 0), max(-steps, 0)
    total = (np.asarray(codes, dtype=np.int64) - zero_point) << left
    return np.clip(((total + (1 << shift >> 1)) >> shift) + target_zero_point, 0, upper)


def residual(a: np.ndarray, b: np.ndarray, zero_points: tuple[int, int], left_shifts: tuple[int, int], shift: int,
             zero_point: int, lower: int, upper: int) -> np.ndarray:
    """Residual add: the sum of two tensors, aligned by shifts, rounded half up onto the output's grid.

    ``clamp((((a-za)·2^sa + (b-zb)·2^sb + 2^(shift-1)) >> shift) + z, lower, upper)``; shift 0 has no rounding term.
    """
    (za, zb), (sa, sb) = zero_points, left_shifts
    total = ((np.asarray(a, dtype=np.int64) - za) << sa) + ((np.asarray(b, dtype=np.int64) - zb) << sb)
    return np.clip(((total + (1 << shift >> 1)) >> shift) + zero_point, lower, upper)
