"""The L1 convolution of AdderNet: forward and its two gradients.

``y[n, o, p] = -Σ_k |x[n, k, p] - w[o, k]|``, where k runs over all taps, those in the padding included (their x is 0).
The gradients are those of AdderNet (CVPR 2020): for w the "full precision" one, ``Σ_p (x - w)·g``, and for x the
clipped one, ``Σ_o clip(w - x, -1, 1)·g``.

Forward and input gradient are operators of PyTorch, `nomul::l1_forward` and `nomul::l1_input_gradient`, so that
`torch.compile` and `torch.export` take them as they are.
"""

import functools
import math
import warnings
from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor
from torch.nn.grad import conv2d_weight

from nomul.sw.geometry import Geometry, Size
from nomul.sw.l1_native import native_for, native_forward, native_input_gradient
from nomul.sw.l1_portable import portable_forward, portable_input_gradient

__all__ = ["l1_conv2d"]


def l1_conv2d(x: Tensor, weight: Tensor, stride: Size = 1, padding: Size = 0, dilation: Size = 1, groups: int = 1,
              *, eta: float | None = None, sign_gradient: bool = False) -> Tensor:
    """L1 convolution of `x` with `weight`, differentiable (once).

    On the CPU in float32 and float64 a C++ kernel runs, with as many threads as `torch.get_num_threads()`, on CUDA in
    float32 one in Triton; elsewhere, and without a compiler or Triton, slower PyTorch. Memory is that of input, weights
    and result.

    Parameters
    ----------
    x : Tensor (N, C, H, W)
        Input.
    weight : Tensor (O, C / groups, KH, KW)
        Same dtype and device.
    stride, padding, dilation, groups : int or pair
        As in `torch.nn.functional.conv2d`.
    eta : float, optional
        AdderNet's adaptive local learning rate: the weight gradient g becomes ``g·eta·√k / max(‖g‖₂, 1e-12)``
        with k the number of weights. None leaves the gradient as it is.
    sign_gradient : bool
        Whether the gradient for `x` is the true one, ``Σ_o sign(w - x)·g``, instead of the clipped one.

    Returns
    -------
    Tensor (N, O, OH, OW)
        Never positive.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or dtype or device differ: the native kernel trusts them.
    LayerError
        For a stride, padding, dilation or groups that no convolution has.
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1] * groups:
        raise ValueError(f"weight of shape {tuple(weight.shape)} with groups={groups} needs an input (N, C, H, W) with "
                         f"{weight.shape[1] * groups} input channels, not {tuple(x.shape)}")
    geometry = Geometry.of(stride, padding, dilation, groups)
    geometry.check_channels(x.shape[1], weight.shape[0])
    if min(geometry.output_size(x.shape[2:], weight.shape[2:])) < 1:
        raise ValueError(f"a kernel of {tuple(weight.shape[2:])} with dilation {geometry.dilation} does not fit into a "
                         f"map of {tuple(x.shape[2:])} with padding {geometry.padding}")
    if x.dtype != weight.dtype or x.device != weight.device:
        raise ValueError(f"input and weight must have one dtype and device, not {x.dtype} on {x.device} and "
                         f"{weight.dtype} on {weight.device}")
    return _forward(x, weight, *geometry, sign_gradient, eta)


@torch.library.custom_op("nomul::l1_forward", mutates_args=())
def _forward(x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int],
             groups: int, sign_gradient: bool, eta: float | None) -> Tensor:
    geometry = _geometry(stride, padding, dilation, groups)
    x, weight = x.detach(), weight.detach()
    if x.is_cuda and x.dtype == torch.float32 and (kernels := _triton()) is not None:
        return kernels.triton_forward(x, weight, geometry)
    return (native_forward if native_for(x) else portable_forward)(x, weight, geometry)


@_forward.register_fake
def _forward_shape(x, weight, stride, padding, dilation, groups, sign_gradient, eta):
    size = _geometry(stride, padding, dilation, groups).output_size(x.shape[2:], weight.shape[2:])
    return x.new_empty(x.shape[0], *size, weight.shape[0]).permute(0, 3, 1, 2)


@torch.library.custom_op("nomul::l1_input_gradient", mutates_args=())
def _input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, stride: Sequence[int], padding: Sequence[int],
                    dilation: Sequence[int], groups: int, sign: bool) -> Tensor:
    geometry = _geometry(stride, padding, dilation, groups)
    if x.is_cuda and x.dtype == torch.float32 and (kernels := _triton()) is not None:
        return kernels.triton_input_gradient(x, weight, gradient, geometry, sign)
    return (native_input_gradient if native_for(x) else portable_input_gradient)(x, weight, gradient, geometry, sign)


@_input_gradient.register_fake
def _input_gradient_shape(x, weight, gradient, stride, padding, dilation, groups, sign):
    images, channels, height, width = x.shape
    return x.new_empty(images, height, width, channels).permute(0, 3, 1, 2)


def _save(ctx, inputs, output):
    x, weight, *ctx.geometry, ctx.sign_gradient, ctx.eta = inputs
    ctx.save_for_backward(x, weight)


def _backward(ctx, gradient):
    x, weight = ctx.saved_tensors
    x_gradient = weight_gradient = None
    if ctx.needs_input_grad[0]:
        x_gradient = _input_gradient(x, weight, gradient, *ctx.geometry, ctx.sign_gradient)
    if ctx.needs_input_grad[1]:
        # Σ_p (x - w)·g = Σ_p x·g - w·Σ_p g: a convolution and a sum, so no kernel of our own is needed.
        products = conv2d_weight(x, weight.shape, gradient, *ctx.geometry)
        weight_gradient = products - weight * gradient.sum((0, 2, 3))[:, None, None, None]
        if ctx.eta is not None:
            norm = weight_gradient.norm().clamp(min=1e-12)
            weight_gradient = weight_gradient * (ctx.eta * math.sqrt(weight.numel()) / norm)
    return x_gradient, weight_gradient, None, None, None, None, None, None


_forward.register_autograd(_backward, setup_context=_save)


def _geometry(stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int) -> Geometry:
    """Operators get lists for pairs."""
    return Geometry.of(tuple(stride), tuple(padding), tuple(dilation), groups)  # type: ignore[arg-type]


@functools.cache
def _triton() -> ModuleType | None:
    """The kernels for CUDA, imported when first needed; warns once if Triton is missing."""
    try:
        from nomul.sw import l1_triton
    except ImportError as error:
        warnings.warn(f"L1 layers run in plain PyTorch on CUDA, slower than in Triton ({error}): "
                      "pip install 'nomul[cuda]'", RuntimeWarning, stacklevel=2)
        return None
    return l1_triton
