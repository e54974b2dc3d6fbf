"""Weights that are sums of a few powers of two: ShiftCNN's greedy ones (2017), and the levels of APoT (ICLR 2020)."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nomul.sw.geometry import LayerError

__all__ = ["PowerSum", "apot", "apot_levels", "from_shiftcnn_codes", "greedy_terms", "learned_apot", "shiftcnn",
           "shiftcnn_codes"]

#: APoT: exponents of each term, which may also be 0, by bits of the magnitude (the authors' code).
_APOT = {2: ((-1, -2, -3),), 3: ((-1, -2, -4), (-3,)), 4: ((-1, -3, -5), (-2, -4, -6)),
         5: ((-1, -3, -6), (-2, -4, -7), (-5,))}


class PowerSum(NamedTuple):
    """Weights as ``scale·Σ_n terms[n]``.

    Attributes
    ----------
    terms : Tensor (n, ...)
        0 or ±2^p each.
    scale : Tensor ()
        Of the layer; belongs into what follows it.
    """

    terms: Tensor
    scale: Tensor

    def weight(self) -> Tensor:
        """The sums."""
        return self.scale * self.terms.sum(0)


def greedy_terms(weight: Tensor, ranges: Sequence[tuple[int, int]]) -> Tensor:
    """Term by term the power of two nearest to what is left; (n, ...), each 0 or ±2^p.

    Exact where nothing is left: no logarithm of 0 is taken.

    Parameters
    ----------
    weight : Tensor
        Floats.
    ranges : sequence of (int, int)
        Smallest and largest exponent of each term. Above, it is clamped; below, the term is 0.
    """
    rest, terms = weight.detach(), []
    for smallest, largest in ranges:
        mantissa, exponent = torch.frexp(rest)  # |mantissa| in [1/2, 1)
        nearest = exponent - 1 + (mantissa.abs() > 0.75)
        power = rest.sign() * nearest.clamp(max=largest).to(rest.dtype).exp2()
        terms.append(torch.where(nearest < smallest, 0.0, power))
        rest = rest - terms[-1]
    return torch.stack(terms)


def shiftcnn(weight: Tensor, terms: int = 2, bits: int = 4) -> PowerSum:
    """ShiftCNN's quantization after training: greedy, relative to the largest weight.

    Parameters
    ----------
    weight : Tensor
        Floats.
    terms, bits : int
        Each weight has so many terms of so many bits; see `shiftcnn_codes`.

    Raises
    ------
    LayerError
        Without a term, or with less than 2 bits.
    """
    if terms < 1 or bits < 2:
        raise LayerError(f"sums of powers of two need at least one term of at least 2 bits, not {terms} of {bits}")
    largest = weight.detach().abs().amax()
    scale = torch.where(largest > 0, largest, 1.0)
    codes = (1 << (bits - 1)) - 1
    return PowerSum(greedy_terms(weight / scale, [(2 - n - codes, 1 - n) for n in range(1, terms + 1)]), scale)


def shiftcnn_codes(power_sum: PowerSum) -> Tensor:
    """The n-th term ±2^p as ±(2 - n - p), and 0 as 0 (int8): what ShiftCNN stores, `bits` a term."""
    n = torch.arange(1, len(power_sum.terms) + 1).reshape(-1, *[1] * (power_sum.terms.ndim - 1))
    magnitude = 3 - n.to(power_sum.terms.device) - torch.frexp(power_sum.terms).exponent
    return torch.where(power_sum.terms == 0, 0, power_sum.terms.sign().to(torch.int32) * magnitude).to(torch.int8)


def from_shiftcnn_codes(codes: Tensor, scale: Tensor) -> PowerSum:
    """The inverse of `shiftcnn_codes`."""
    n = torch.arange(1, len(codes) + 1, device=codes.device).reshape(-1, *[1] * (codes.ndim - 1))
    return PowerSum(codes.sign() * (2 - n - codes.abs()).to(scale.dtype).exp2(), scale)


def _levels(exponents: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
    """The terms of every level, in ascending order."""
    return sorted(itertools.product(*([0.0, *(2.0**p for p in choices)] for choices in exponents)), key=sum)


_TABLES = {bits: _levels(exponents) for bits, exponents in _APOT.items()}


def _apot_table(bits: int) -> tuple[list[tuple[float, ...]], float]:
    """`_levels`, and the largest level."""
    if bits not in _TABLES:
        raise LayerError(f"APoT has levels for 2 to 5 bits of magnitude, not {bits!r}")
    return _TABLES[bits], sum(_TABLES[bits][-1])


def apot_levels(bits: int) -> Tensor:
    """The ``2^bits`` levels from 0 to 1, ascending (float64).

    Raises
    ------
    LayerError
        Unless `bits`, of the magnitude, is 2 to 5.
    """
    table, largest = _apot_table(bits)
    return torch.tensor([sum(terms) / largest for terms in table], dtype=torch.float64)


def apot(weight: Tensor, scale: Tensor, bits: int) -> PowerSum:
    """The nearest of APoT's levels, for weights of a sign and `bits`; what is beyond ±`scale` is clipped.

    Raises
    ------
    LayerError
        As `apot_levels`.
    """
    table, largest = _apot_table(bits)
    levels = apot_levels(bits)
    borders = ((levels[1:] + levels[:-1]) / 2).to(weight)
    index = torch.bucketize((weight.detach() / scale.detach()).abs(), borders)
    terms = torch.tensor(table).to(weight)[index].movedim(-1, 0)
    return PowerSum(terms * weight.detach().sign(), scale / largest)


def learned_apot(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """`apot`'s sums with the gradients of APoT's reparameterized clipping, for a scale that is trained.

    For the weight the gradient is the identity within ±`scale` and 0 beyond; for the scale it is the rounding error
    ``level - weight / scale`` within, and the sign beyond.
    """
    return _LearnedApot.apply(weight, scale, bits)


class _LearnedApot(torch.autograd.Function):

    @staticmethod
    def forward(ctx, weight, scale, bits):
        quantized = apot(weight, scale, bits).weight()
        ctx.save_for_backward(weight / scale, quantized / scale)
        return quantized

    @staticmethod
    def backward(ctx, gradient):
        ratio, level = ctx.saved_tensors
        within = ratio.abs() <= 1
        return gradient * within, (gradient * torch.where(within, level - ratio, ratio.sign())).sum(), None
