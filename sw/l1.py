"""The L1 convolution of AdderNet: forward, its two gradients, and the native kernel behind them.

``y[n, o, p] = -Σ_k |x[n, k, p] - w[o, k]|``, where k runs over all taps, those in the padding included (their x is 0).
The gradients are those of AdderNet (CVPR 2020): for w the "full precision" one, ``Σ_p (x - w)·g``, and for x the
clipped one, ``Σ_o clip(w - x, -1, 1)·g``.
"""

import ctypes
import functools
import math
import warnings
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from nomul.sw.native import NativeError, load_library

__all__ = ["l1_conv2d", "portable_forward", "portable_input_gradient"]

#: Elements of the portable kernels' working buffer: about the size of a second-level cache.
_CHUNK = 1 << 18


def l1_conv2d(x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0, eta: float | None = None) -> Tensor:
    """L1 convolution of `x` with `weight`, differentiable (once).

    On the CPU in float32 and float64 a C++ kernel runs, with as many threads as `torch.get_num_threads()`;
    elsewhere, and without a compiler, a slower one in PyTorch.

    Parameters
    ----------
    x : Tensor (N, C, H, W)
        Input.
    weight : Tensor (O, C, KH, KW)
        Same dtype and device.
    stride, padding : int
        As in `torch.nn.functional.conv2d`.
    eta : float, optional
        AdderNet's adaptive local learning rate: the weight gradient g becomes ``g·eta·√k / max(‖g‖₂, 1e-12)``
        with k the number of weights. None leaves the gradient as it is.

    Returns
    -------
    Tensor (N, O, OH, OW)
        Never positive.

    Raises
    ------
    ValueError
        If the shapes do not fit together, or dtype or device differ: the native kernel trusts them.
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"weight of shape {tuple(weight.shape)} needs an input (N, C, H, W) with "
                         f"{weight.shape[1]} input channels, not {tuple(x.shape)}")
    if min(_output_size(x, weight, stride, padding)) < 1:
        raise ValueError(f"a kernel of {tuple(weight.shape[2:])} does not fit into a map of {tuple(x.shape[2:])} "
                         f"with padding {padding}")
    if x.dtype != weight.dtype or x.device != weight.device:
        raise ValueError(f"input and weight must have one dtype and device, not {x.dtype} on {x.device} and "
                         f"{weight.dtype} on {weight.device}")
    return _L1Convolution.apply(x, weight, stride, padding, eta)


class _L1Convolution(torch.autograd.Function):

    @staticmethod
    def forward(ctx, x, weight, stride, padding, eta):
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.eta = stride, padding, eta
        kernel = _native_forward if _native_for(x) else portable_forward
        return kernel(x, weight, stride, padding)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        x_gradient = weight_gradient = None
        if ctx.needs_input_grad[0]:
            kernel = _native_input_gradient if _native_for(x) else portable_input_gradient
            x_gradient = kernel(x, weight, gradient, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            # Σ_p (x - w)·g = Σ_p x·g - w·Σ_p g: a convolution and a sum, so no kernel of our own is needed.
            products = conv2d_weight(x, weight.shape, gradient, ctx.stride, ctx.padding)
            weight_gradient = products - weight * gradient.sum((0, 2, 3))[:, None, None, None]
            if ctx.eta is not None:
                norm = weight_gradient.norm().clamp(min=1e-12)
                weight_gradient = weight_gradient * (ctx.eta * math.sqrt(weight.numel()) / norm)
        return x_gradient, weight_gradient, None, None, None


# Native kernel. ---------------------------------------------------------------------------------------------------


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = load_library(Path(__file__).with_name("l1.cpp"))
    except NativeError as error:
        warnings.warn(f"L1 layers run in plain PyTorch, several times slower than compiled: {error}",
                      RuntimeWarning, stacklevel=2)
        return None
    for dtype in ("float32", "float64"):
        getattr(library, f"l1_forward_{dtype}").argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int]
        getattr(library, f"l1_input_gradient_{dtype}").argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_int]
    return library


def _native_for(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and _library() is not None


def _call(function: str, *tensors: Tensor, geometry: list[int]) -> None:
    kernel = getattr(_library(), f"{function}_{str(tensors[0].dtype).removeprefix('torch.')}")
    kernel(*(tensor.data_ptr() for tensor in tensors), (ctypes.c_int64 * len(geometry))(*geometry),
           torch.get_num_threads())


def _lanes(dtype: torch.dtype) -> int:
    return _library().l1_vector_bytes() // dtype.itemsize  # type: ignore[union-attr]


def _whole_vectors(tensor: Tensor) -> Tensor:
    """The last dimension filled up with zeros to whole vectors, contiguous."""
    return functional.pad(tensor, (0, -tensor.shape[-1] % _lanes(tensor.dtype))).contiguous()


def _output_size(x: Tensor, weight: Tensor, stride: int, padding: int) -> tuple[int, int]:
    height, width = ((size + 2 * padding - kernel) // stride + 1
                     for size, kernel in zip(x.shape[2:], weight.shape[2:], strict=True))
    return height, width


def _native_forward(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    height, width = _output_size(x, weight, stride, padding)
    padded = functional.pad(x, (padding,) * 4).contiguous()
    result = x.new_empty(len(x), height, width, len(weight))
    _call("l1_forward", padded, _whole_vectors(weight.detach().permute(1, 2, 3, 0)), result,
          geometry=[*padded.shape, *weight.shape[::2], weight.shape[3], stride, padding, height, width])
    return result.permute(0, 3, 1, 2)


def _native_input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, stride: int, padding: int) -> Tensor:
    result = torch.empty_like(x, memory_format=torch.contiguous_format)
    _call("l1_input_gradient", x.contiguous(), _whole_vectors(weight.permute(1, 2, 3, 0)),
          _whole_vectors(gradient.permute(0, 2, 3, 1)), result,
          geometry=[*x.shape, *weight.shape[::2], weight.shape[3], stride, padding, *gradient.shape[2:]])
    return result


# Portable kernel: any device, any floating dtype. -------------------------------------------------------------------


def _chunks(x: Tensor, weight: Tensor, pixels: int) -> range:
    """First images of pieces whose unfolded taps fit the cache."""
    return range(0, len(x), max(1, _CHUNK // (weight[0].numel() * pixels)))


def portable_forward(x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """`l1_conv2d`'s forward in PyTorch operations: one output channel at a time, in place."""
    height, width = _output_size(x, weight, stride, padding)
    result = x.new_empty(len(x), len(weight), height * width)
    starts = _chunks(x, weight, height * width)
    for first in starts:
        images = slice(first, first + starts.step)
        taps = functional.unfold(x[images], weight.shape[2:], padding=padding, stride=stride)
        buffer = torch.empty_like(taps)
        for output, kernel in enumerate(weight.reshape(len(weight), -1, 1)):
            torch.sub(taps, kernel, out=buffer)
            result[images, output] = buffer.abs_().sum(1).neg_()
    return result.view(len(x), len(weight), height, width)


def portable_input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, stride: int, padding: int) -> Tensor:
    """`l1_conv2d`'s input gradient in PyTorch operations: one output channel at a time, in place."""
    gradient = gradient.flatten(2)
    result = torch.empty_like(x)
    starts = _chunks(x, weight, gradient.shape[2])
    for first in starts:
        images = slice(first, first + starts.step)
        taps = functional.unfold(x[images], weight.shape[2:], padding=padding, stride=stride)
        buffer, total = torch.empty_like(taps), torch.zeros_like(taps)
        for output, kernel in enumerate(weight.reshape(len(weight), -1, 1)):
            torch.sub(kernel, taps, out=buffer)
            total.addcmul_(buffer.clamp_(-1, 1), gradient[images, output, None])
        result[images] = functional.fold(total, x.shape[2:], weight.shape[2:], padding=padding, stride=stride)
    return result
