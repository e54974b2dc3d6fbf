"""Layers whose weights are 0 or ±2^p: DeepShift's forms Q and PS, and ShiftAddNet's frozen one."""

import math
from typing import Literal, TypedDict, Unpack

import torch
from torch import Tensor, nn

from nomul.sw.geometry import LayerError, Size
from nomul.sw.layer_base import ConvolutionLayer, Layer, LinearLayer
from nomul.sw.rounding import FixedPoint
from nomul.sw.shift import exponent_count, power_and_sign, power_of_two

__all__ = ["ShiftConv2d", "ShiftLayer", "ShiftLinear", "ShiftOptions"]


class ShiftOptions(TypedDict, total=False):
    """What both shift layers take.

    Attributes
    ----------
    form : str
        "q" (default): the parameter `weight` holds latent floats. "ps": the parameters `exponent` and `sign` hold
        them apart; trains with RAdam. "frozen": the buffer `weight` holds the powers themselves, drawn once, and no
        optimizer ever sees them.
    bits : int, optional
        2 to 5: bits of a weight. Decides the smallest exponent; without it, `min_exponent` does.
    min_exponent, max_exponent : int
        Range of p: -7 to 0 by default, the eight exponents of the hardware's shift codes.
    zero : bool
        Whether form Q has a level 0 (default), which costs it one exponent of the same `bits`; DeepShift has none.
        The others always have one.
    stochastic : bool
        While training, exponents are drawn between their neighbours; in evaluation mode they are rounded.
    activation : FixedPoint, optional
        Format that input and bias are rounded to.
    sign_threshold : float
        0.5 by default. Forms PS and frozen: weights whose latent sign is no larger are 0. Signs are drawn from
        (-1, 1), so for the frozen form it is the part of the weights that are pruned.
    """

    form: Literal["q", "ps", "frozen"]
    bits: int | None
    min_exponent: int | None
    max_exponent: int
    zero: bool
    stochastic: bool
    activation: FixedPoint | None
    sign_threshold: float


class ShiftLayer(Layer):
    """The weights of a shift layer; see `ShiftOptions`."""

    def _make_weights(self, form: str = "q", bits: int | None = None, min_exponent: int | None = None,
                      max_exponent: int = 0, zero: bool = True, stochastic: bool = False,
                      activation: FixedPoint | None = None, sign_threshold: float = 0.5) -> None:
        if form not in ("q", "ps", "frozen"):
            raise LayerError(f"form must be 'q', 'ps' or 'frozen', not {form!r}")
        if form != "q" and not zero:
            raise LayerError(f"zero=False is for form='q': the form {form!r} has a level 0")
        if bits is not None and min_exponent is not None:
            raise LayerError("give bits or min_exponent, not both: bits decide the smallest exponent")
        if min_exponent is None:
            min_exponent = -7 if bits is None else max_exponent + 1 - exponent_count(bits, zero)
        if min_exponent > max_exponent:
            raise LayerError(f"min_exponent {min_exponent} must not be above max_exponent {max_exponent}")
        self.form, self.min_exponent, self.max_exponent, self.zero = form, min_exponent, max_exponent, zero
        self.stochastic, self.activation, self.sign_threshold = stochastic, activation, sign_threshold
        if form == "q":
            self.weight = nn.Parameter(torch.empty(self.weight_shape))
        elif form == "ps":
            self.exponent = nn.Parameter(torch.empty(self.weight_shape))
            self.sign = nn.Parameter(torch.empty(self.weight_shape))
        else:
            self.register_buffer("weight", torch.empty(self.weight_shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the latent weights as `torch.nn.Conv2d` does, scaled up if nearly all of them would become 0.

        The frozen form draws as ShiftAddNet does: exponents from N(m, 1) around the middle m of their range, signs
        from (-1, 1).
        """
        if self.form == "frozen":
            exponent = torch.empty(self.weight_shape).normal_((self.min_exponent + self.max_exponent) / 2, 1)
            sign = torch.empty(self.weight_shape).uniform_(-1, 1)
            drawn = power_and_sign(exponent, sign, self.min_exponent, self.max_exponent, threshold=self.sign_threshold)
        else:
            drawn = nn.init.kaiming_uniform_(torch.empty(self.weight_shape), a=math.sqrt(5))
            bound = 1 / math.sqrt(self.weight_shape[1:].numel())
            drawn *= max(1.0, 2.0**(self.min_exponent + 1) / bound)
        self.load_weight_(drawn)

    @torch.no_grad()
    def load_weight_(self, weight: Tensor) -> None:
        """Sets the latent weights so that the layer computes with `weight`, rounded to its levels."""
        rounded = self._rounded(weight, stochastic=False)
        if self.form == "ps":
            self.exponent.copy_(weight.abs().log2().clamp(self.min_exponent, self.max_exponent))
            self.sign.copy_(rounded.sign() * max(1.0, 2 * self.sign_threshold))
        else:
            self.weight.copy_(weight if self.form == "q" else rounded)

    def quantized_weight(self) -> Tensor:
        """The weights that the layer computes with; with `stochastic`, drawn anew at each call while training."""
        stochastic = self.stochastic and self.training
        if self.form == "q":
            return self._rounded(self.weight, stochastic)
        if self.form == "ps":
            return power_and_sign(self.exponent, self.sign, self.min_exponent, self.max_exponent,
                                  threshold=self.sign_threshold, stochastic=stochastic)
        return self.weight

    def forward(self, x: Tensor) -> Tensor:
        """As the `torch.nn` counterpart."""
        bias: Tensor | None = self.bias
        if self.activation is not None:
            x = self.activation.round(x)
            bias = None if bias is None else self.activation.round(bias)
        return self.products(x, self.quantized_weight(), bias)

    def _rounded(self, weight: Tensor, stochastic: bool) -> Tensor:
        return power_of_two(weight, self.min_exponent, self.max_exponent, zero=self.zero, stochastic=stochastic)

    def extra_repr(self) -> str:
        """Sizes, for `print(model)`."""
        text = super().extra_repr() + f", exponents={self.min_exponent}..{self.max_exponent}"
        text += f", form={self.form}" if self.form != "q" else ""
        text += ", no zero" if not self.zero else ""
        text += ", stochastic" if self.stochastic else ""
        return text + (f", activation={self.activation}" if self.activation is not None else "")


class ShiftConv2d(ShiftLayer, ConvolutionLayer):
    """Convolution whose weights are 0 or ±2^p.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        As in `torch.nn.Conv2d`, but without a bias by default.
    options
        See `ShiftOptions`.

    Raises
    ------
    LayerError
        For options that do not exist or do not fit together.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size = 1, padding: Size = 0,
                 dilation: Size = 1, groups: int = 1, bias: bool = False, **options: Unpack[ShiftOptions]):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
        self._make_weights(**options)


class ShiftLinear(ShiftLayer, LinearLayer):
    """Linear layer whose weights are 0 or ±2^p.

    Parameters
    ----------
    in_features, out_features, bias
        As in `torch.nn.Linear`, but without a bias by default.
    options
        See `ShiftOptions`.

    Raises
    ------
    LayerError
        For options that do not exist or do not fit together.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = False, **options: Unpack[ShiftOptions]):
        super().__init__(in_features, out_features, bias)
        self._make_weights(**options)
