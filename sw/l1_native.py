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


@functools.cache
def _library() -> ctypes.CDLL | None:
    try:
        library = load_library(Path(__file__).with_name("l1.cpp"))
    except NativeError as error:
        warnings.warn(f"L1 layers run in plain PyTorch, several times slower than compiled: {error}",
                      RuntimeWarning, stacklevel=2)
        return None
    for dtype in ("float32", "float64"):
        for kind in ("", "depthwise_"):
            getattr(library, f"l1_{kind}forward_{dtype}").argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int]
        for kind in ("", "dense_", "depthwise_"):
            getattr(library, f"l1_{kind}input_gradient_{dtype}").argtypes = [ctypes.c_void_p] * 5 + [ctypes.c_int] * 2
    return library


def native_for(x: Tensor) -> bool:
    """Whether a kernel is there for this device and dtype; warns once if it could not be built."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and _library() is not None


def native_forward(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """(N, C, H, W) and (O, C / groups, KH, KW) to (N, O, OH, OW), whose channels lie closest."""
    height, width = geometry.output_size(x.shape[2:], weight.shape[2:])
    vertical, horizontal = geometry.padding
    depthwise = _is_depthwise(weight, geometry)
    if depthwise:
        x = _channels_last(x, len(weight))
    around = (0, 0) * depthwise + (horizontal, horizontal, vertical, vertical)
    padded = (functional.pad(x, around) if any(around) else x).contiguous()
    size = padded.shape[1:3] if depthwise else padded.shape[2:]
    result = x.new_empty(len(x), height, width, padded.shape[3] if depthwise else len(weight))
    _call("l1_depthwise_forward" if depthwise else "l1_forward", padded, _weights(weight, geometry), result,
          numbers=_numbers((len(x), geometry.groups * weight.shape[1], *size), weight, geometry, (height, width)))
    return result[..., :len(weight)].contiguous().permute(0, 3, 1, 2)


def native_input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry, sign: bool) -> Tensor:
    """(N, C, H, W), whose channels lie closest; with the sign of ``w - x`` or, without `sign`, with its clip."""
    numbers = _numbers(x.shape, weight, geometry, gradient.shape[2:])
    if geometry.stride == (1, 1) and weight.shape[1] >= _lanes(x):
        return _dense_input_gradient(x, weight, gradient, geometry, sign, numbers)
    if not _is_depthwise(weight, geometry):
        last = x.permute(0, 2, 3, 1).contiguous()
        result = torch.empty_like(last)
        by_group = _whole_vectors(gradient.unflatten(1, (geometry.groups, -1)).permute(0, 3, 4, 1, 2))
        _call("l1_input_gradient", last, _weights(weight, geometry), by_group, result,
              numbers=numbers, options=(int(sign),))
        return result.permute(0, 3, 1, 2)
    repeated = _channels_last(x, len(weight))
    result = torch.empty_like(repeated)
    _call("l1_depthwise_input_gradient", repeated, _weights(weight, geometry), _channels_last(gradient, len(weight)),
          result, numbers=numbers, options=(int(sign),))
    per_output = result[..., :len(weight)].unflatten(3, (geometry.groups, -1))
    return per_output.sum(4).permute(0, 3, 1, 2)


def _dense_input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry, sign: bool,
                          numbers: list[int]) -> Tensor:
    """For stride 1 and enough input channels to fill a vector."""
    groups = geometry.groups
    vertical, horizontal = (max(0, (size - 1) * dilation - padding) for size, dilation, padding in
                            zip(weight.shape[2:], geometry.dilation, geometry.padding, strict=True))
    around = (0, 0, horizontal, horizontal, vertical, vertical)
    last = _whole_vectors(x.permute(0, 2, 3, 1).unflatten(3, (groups, -1)))
    result = torch.empty_like(last)
    _call("l1_dense_input_gradient", last,
          _whole_vectors(weight.unflatten(0, (groups, -1)).permute(0, 3, 4, 1, 2)),
          functional.pad(gradient.permute(0, 2, 3, 1), around).contiguous(), result,
          numbers=numbers, options=(int(sign),))
    return result[..., :weight.shape[1]].flatten(3).contiguous().permute(0, 3, 1, 2)


def _is_depthwise(weight: Tensor, geometry: Geometry) -> bool:
    """Whether the depthwise kernels are better: with many outputs a channel, copies of the input cost more."""
    return weight.shape[1] == 1 and geometry.groups > 1 and len(weight) <= 4 * geometry.groups


def _numbers(shape: tuple[int, ...], weight: Tensor, geometry: Geometry, output: tuple[int, ...]) -> list[int]:
    """The kernel's struct; `shape` is the input's (N, C, H, W)."""
    return [*shape, len(weight), geometry.groups, *weight.shape[2:], *geometry.stride, *geometry.padding,
            *geometry.dilation, *output]


def _call(function: str, *tensors: Tensor, numbers: list[int], options: tuple[int, ...] = ()) -> None:
    kernel = getattr(_library(), f"{function}_{str(tensors[0].dtype).removeprefix('torch.')}")
    kernel(*(tensor.data_ptr() for tensor in tensors), (ctypes.c_int64 * len(numbers))(*numbers),
           torch.get_num_threads(), *options)


def _weights(weight: Tensor, geometry: Geometry) -> Tensor:
    """(groups, channels, taps, whole vectors of a group's outputs); depthwise (taps, whole vectors of outputs)."""
    if _is_depthwise(weight, geometry):
        return _whole_vectors(weight[:, 0].permute(1, 2, 0))
    return _whole_vectors(weight.unflatten(0, (geometry.groups, -1)).permute(0, 2, 3, 4, 1))


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
