"""The arithmetic of quantization: power-of-two steps, weight codes, and batch norm as multiplier, shift and bias."""

import math
from typing import NamedTuple

import numpy as np

from nomul.gen.spec.errors import NomulError

__all__ = ["Affine", "Codes", "Requantization", "ScaleError", "best_exponent", "covering_exponent", "l1_codes",
           "requantization", "shift_codes"]

#: Multipliers have 16 bits of magnitude.
_LARGEST_MULTIPLIER = (1 << 16) - 1
#: A shift beyond this adds precision that 8-bit outputs cannot show.
_LARGEST_SHIFT = 26
#: What a channel's additive constant may add to its bias: with it, 24-bit accumulators do.
_LARGEST_CONSTANT = 1 << 21


class ScaleError(NomulError):
    """Weights that the hardware's codes cannot express."""


class Affine(NamedTuple):
    """Per channel ``scale·(y - mean) + offset``: a batch norm in evaluation mode (float64 arrays)."""

    scale: np.ndarray
    mean: np.ndarray
    offset: np.ndarray


class Codes(NamedTuple):
    """Integer weights, and the layer's output in terms of them: ``y = 2^exponent·(Σ op(x, weight) + offset)``."""

    weight: np.ndarray
    offset: np.ndarray
    exponent: int


class Requantization(NamedTuple):
    """Per channel ``((acc + bias)·multiplier) >> shift``."""

    multiplier: np.ndarray
    bias: np.ndarray
    shift: int


def covering_exponent(magnitude: float, largest: int) -> int:
    """The smallest e with ``largest·2^e >= magnitude``; 0 if `magnitude` is 0."""
    if magnitude == 0:
        return 0
    exponent = math.ceil(math.log2(magnitude / largest))
    return exponent + (math.ldexp(largest, exponent) < magnitude)  # the logarithm may round down


def best_exponent(values: np.ndarray, zero_point: int, largest: int, at_least: int | None = None) -> int:
    """The step 2^e on which `values`, as codes 0 to `largest` around `zero_point`, have the least squared error.

    Steps that cut off a tail are tried too; among equals the finest wins.

    Parameters
    ----------
    values : float array
        A sample of the tensor.
    at_least : int, optional
        Lower bound of e.
    """
    values = values.astype(np.float64).ravel()
    top = max(covering_exponent(max(values.max(), 0.0), largest - zero_point),
              covering_exponent(max(-values.min(), 0.0), zero_point) if zero_point else -1000)
    if at_least is not None:
        top = max(top, at_least)
    bottom = top - 3 if at_least is None else max(top - 3, at_least)

    def error(exponent: int) -> float:
        codes = np.clip(np.floor(np.ldexp(values, -exponent) + 0.5), -zero_point, largest - zero_point)
        return float(np.square(np.ldexp(codes, exponent) - values).sum())

    return min(range(bottom, top + 1), key=error)


def l1_codes(weight: np.ndarray, exponent: int, zero_point: int, largest: int) -> Codes:
    """L1 weights on their input's grid, with the lossless clamp.

    An input code x lies in 0..largest, so for a weight w beyond that range ``|x - w| = |x - c| + |w - c|`` with c the
    nearest end: w is stored as c, and the rest is a constant of the channel.

    Parameters
    ----------
    weight : float array, shape (O, ...)
        Real weights.
    exponent, zero_point : int
        The input's grid.
    largest : int
        Largest weight code.
    """
    exact = np.ldexp(weight.astype(np.float64), -exponent) + zero_point
    inside = np.clip(exact, 0, largest)
    beyond = np.abs(exact - inside).reshape(len(weight), -1).sum(axis=1)
    return Codes(np.rint(inside).astype(np.int16), -beyond, exponent)


def shift_codes(weight: np.ndarray, exponent: int, zero_point: int, exponents: int) -> Codes:
    """Power-of-two weights as integers ±2^p with p from 0, relative to the smallest exponent that occurs.

    Parameters
    ----------
    weight : float array, shape (O, ...)
        0 or ±2^p.
    exponent, zero_point : int
        The input's grid.
    exponents : int
        How many exponents the hardware has.

    Raises
    ------
    ScaleError
        If the weights have exponents further apart.
    """
    weight = weight.astype(np.float64)
    powers = np.frexp(weight[weight != 0])[1] - 1
    smallest, spread = (int(powers.min()), int(np.ptp(powers)) + 1) if powers.size else (0, 1)
    if spread > exponents:
        raise ScaleError(f"the shift weights' exponents span {spread} values, {smallest} to {smallest + spread - 1}, "
                         f"but the hardware has {exponents}: take max_exponent - min_exponent < {exponents}, or "
                         f"fewer terms or bits of a sum of powers of two")
    integers = np.ldexp(weight, -smallest).astype(np.int16)
    sums = integers.astype(np.int64).reshape(len(weight), -1).sum(axis=1)
    return Codes(integers, (-zero_point * sums).astype(np.float64), exponent + smallest)


def requantization(codes: Codes, affine: Affine, exponent: int) -> Requantization:
    """Batch norm and the change of step as one integer multiplication, right shift and bias per channel.

    The bias keeps the mean of the accumulators where it was (ALGORITHMS: re-centring): what rounding the multiplier
    changes is the slope around the mean, and not the mean itself, which for L1 layers is many times the deviation.

    Parameters
    ----------
    codes : Codes
        The weights.
    affine : Affine
        What follows the sums.
    exponent : int
        Of the output's step; coarse enough for scales below 1.
    """
    scale = np.ldexp(affine.scale, codes.exponent - exponent)
    constant = np.ldexp(affine.offset, -exponent)
    largest = float(np.abs(scale).max())
    shift = _LARGEST_SHIFT if largest == 0 else \
        min(_LARGEST_SHIFT, math.floor(math.log2((_LARGEST_MULTIPLIER + 0.5) / largest)))
    # A channel with (nearly) no slope keeps a little: bias = constant / scale must stay a number that fits.
    smallest = np.maximum(np.ceil(np.ldexp(np.abs(constant), shift) / _LARGEST_CONSTANT), 1)
    magnitude = np.clip(np.rint(np.ldexp(np.abs(scale), shift)), smallest,
                        min(_LARGEST_MULTIPLIER, (1 << shift) - 1))
    multiplier = np.where(affine.scale < 0, -magnitude, magnitude)
    bias = codes.offset - np.ldexp(affine.mean, -codes.exponent) + np.ldexp(constant, shift) / multiplier
    return Requantization(multiplier.astype(np.int32), np.rint(bias).astype(np.int64), shift)
