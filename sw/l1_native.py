"""The compiled kernels of L1 layers (`l1.cpp`): layouts, and calls through ctypes."""

import ctypes
import functools
import warnings
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from nomul.sw.geometry import Geometry
from nomul.sw.native import NativeError, load_library

__all__ = ["native_for", "native_forward", "native_input_gradient"]

_POINTS = Geometry.of(1, 0, 1, 1)


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = load_library(Path(__file__).with_name("l1.cpp"))
    except NativeError as error:
        warnings.warn(f"L1 layers run in plain PyTorch, several times slower than compiled: {error}",
                      RuntimeWarning, stacklevel=2)
        return None
    for dtype in ("float32", "float64"):
        pointer, number = ctypes.c_void_p, ctypes.c_int
        for function, arguments in {
                "forward": [*[pointer] * 4, number, pointer], "depthwise_forward": [*[pointer] * 4, number],
                "input_gradient": [*[pointer] * 5, number, number, pointer],
                "depthwise_input_gradient": [*[pointer] * 5, number, number]}.items():
            getattr(library, f"l1_{function}_{dtype}").argtypes = arguments
    return library


def native_for(x: Tensor) -> bool:
    """Whether a kernel is there for this device and dtype; warns once if it could not be built."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and _library() is not None


def native_forward(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """(N, C, H, W) and (O, C / groups, KH, KW) to (N, O, OH, OW), whose channels lie closest."""
    output = geometry.output_size(x.shape[2:], weight.shape[2:])
    if _is_linear(x, weight, geometry):
        sums = native_forward(_as_pixels(x), weight.flatten(1)[:, :, None, None], _POINTS)
        return sums.permute(3, 0, 2, 1).reshape(len(x), 1, 1, -1).permute(0, 3, 1, 2)
    if not _is_depthwise(weight, geometry):
        result = x.new_empty(len(x), *output, len(weight))
        _call("l1_forward", x, _weights(weight, geometry), result, numbers=_numbers(x.shape, weight, geometry, output),
              options=(_strides(x),))
        return result.permute(0, 3, 1, 2)
    vertical, horizontal = geometry.padding
    padded = functional.pad(_channels_last(x, len(weight)), (0, 0, horizontal, horizontal, vertical, vertical))
    result = x.new_empty(len(x), *output, padded.shape[3])
    shape = (len(x), geometry.groups, *padded.shape[1:3])
    _call("l1_depthwise_forward", padded.contiguous(), _weights(weight, geometry), result,
          numbers=_numbers(shape, weight, geometry, output))
    return result[..., :len(weight)].contiguous().permute(0, 3, 1, 2)


def native_input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry, sign: bool) -> Tensor:
    """(N, C, H, W), whose channels lie closest; with the sign of ``w - x`` or, without `sign`, with its clip."""
    if _is_linear(x, weight, geometry):
        by_pixel = native_input_gradient(_as_pixels(x), weight.flatten(1)[:, :, None, None], _as_pixels(gradient),
                                         _POINTS, sign)
        return by_pixel.permute(3, 0, 2, 1).reshape(x.shape).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    numbers = _numbers(x.shape, weight, geometry, gradient.shape[2:])
    if not _is_depthwise(weight, geometry):
        by_output = _whole_vectors(weight.unflatten(0, (geometry.groups, -1)).permute(0, 3, 4, 1, 2))
        result = x.new_empty(len(x), *x.shape[2:], x.shape[1])
        _call("l1_input_gradient", x, by_output, gradient, result, numbers=numbers,
              options=(int(sign), _strides(x, gradient)))
        return result.permute(0, 3, 1, 2)
    repeated = _channels_last(x, len(weight))
    result = torch.empty_like(repeated)
    _call("l1_depthwise_input_gradient", repeated, _weights(weight, geometry), _channels_last(gradient, len(weight)),
          result, numbers=numbers, options=(int(sign),))
    per_output = result[..., :len(weight)].unflatten(3, (geometry.groups, -1))
    return per_output.sum(4).permute(0, 3, 1, 2)


def _is_linear(x: Tensor, weight: Tensor, geometry: Geometry) -> bool:
    """Whether each image has one window, its whole map: then images can be pixels, of which kernels take several."""
    return len(x) > 1 and x.shape[2:] == weight.shape[2:] and geometry.padding == (0, 0) and geometry.groups == 1


def _as_pixels(x: Tensor) -> Tensor:
    """(N, C, H, W) as one image (1, C·H·W, 1, N)."""
    return x.flatten(1).T[None, :, None, :]


def _is_depthwise(weight: Tensor, geometry: Geometry) -> bool:
    """Whether the depthwise kernels are better: with many outputs a channel, copies of the input cost more."""
    return weight.shape[1] == 1 and geometry.groups > 1 and len(weight) <= 4 * geometry.groups


def _numbers(shape: tuple[int, ...], weight: Tensor, geometry: Geometry, output: tuple[int, ...]) -> list[int]:
    """The kernel's struct; `shape` is the input's (N, C, H, W)."""
    return [*shape, len(weight), geometry.groups, *weight.shape[2:], *geometry.stride, *geometry.padding,
            *geometry.dilation, *output]


def _strides(*tensors: Tensor) -> ctypes.Array:
    """The kernel's structs, one a tensor."""
    strides = [stride for tensor in tensors for stride in tensor.stride()]
    return (ctypes.c_int64 * len(strides))(*strides)


def _call(function: str, *tensors: Tensor, numbers: list[int], options: tuple[int | ctypes.Array, ...] = ()) -> None:
    kernel = getattr(_library(), f"{function}_{str(tensors[0].dtype).removeprefix('torch.')}")
    kernel(*(tensor.data_ptr() for tensor in tensors), (ctypes.c_int64 * len(numbers))(*numbers),
           torch.get_num_threads(), *options)


def _weights(weight: Tensor, geometry: Geometry) -> Tensor:
    """(groups, taps, channels, whole vectors of a group's outputs); depthwise (taps, whole vectors of outputs)."""
    if _is_depthwise(weight, geometry):
        return _whole_vectors(weight[:, 0].permute(1, 2, 0))
    return _whole_vectors(weight.unflatten(0, (geometry.groups, -1)).permute(0, 3, 4, 2, 1))


def _channels_last(x: Tensor, outputs: int) -> Tensor:
    """(N, H, W, whole vectors of outputs): every channel once for each output that reads it."""
    return _whole_vectors(x.repeat_interleave(outputs // x.shape[1], 1).permute(0, 2, 3, 1))


def _whole_vectors(tensor: Tensor) -> Tensor:
    """The last dimension filled up with zeros to whole vectors, contiguous."""
    missing = -tensor.shape[-1] % _lanes(tensor)
    return (functional.pad(tensor, (0, missing)) if missing else tensor).contiguous()  # pad copies even nothing


def _lanes(tensor: Tensor) -> int:
    """Numbers in a vector."""
    return _library().l1_vector_bytes() // tensor.dtype.itemsize  # type: ignore[union-attr]
