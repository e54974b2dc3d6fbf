"""L1 layers in PyTorch operations, for any device and floating dtype.

One output of every group and one tap at a time, in place: besides input, weights and output there is only a buffer of
the size of a cache, or of one image's input where that is larger.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from nomul.sw.geometry import Geometry

__all__ = ["portable_forward", "portable_input_gradient"]

#: Elements of the working buffer: about the size of a second-level cache.
_CHUNK = 1 << 18


def portable_forward(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """As `nomul.sw.l1_native.native_forward`, layout of the result included."""
    height, width = geometry.output_size(x.shape[2:], weight.shape[2:])
    result = x.new_zeros(len(x), height, width, len(weight)).permute(0, 3, 1, 2)
    padded = _padded(x, geometry)
    for images in _chunks(x, height * width):
        outputs = result[images].unflatten(1, (geometry.groups, -1))
        for window, kernel in _taps(padded[images], weight, geometry, (height, width)):
            buffer = torch.empty_like(window)
            for output in range(kernel.shape[1]):
                torch.sub(window, kernel[:, output, :, None, None], out=buffer)
                outputs[:, :, output] -= buffer.abs_().sum(2)
    return result


def portable_input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry, sign: bool) -> Tensor:
    """As `nomul.sw.l1_native.native_input_gradient`."""
    vertical, horizontal = geometry.padding
    padded = _padded(x, geometry)
    result = torch.zeros_like(padded)
    for images in _chunks(x, gradient[0, 0].numel() if len(x) else 1):
        by_group = gradient[images].unflatten(1, (geometry.groups, -1))
        sums = _taps(result[images], weight, geometry, gradient.shape[2:])
        for (window, kernel), (total, _) in zip(_taps(padded[images], weight, geometry, gradient.shape[2:]), sums,
                                                strict=True):
            buffer = torch.empty_like(window)
            for output in range(kernel.shape[1]):
                torch.sub(kernel[:, output, :, None, None], window, out=buffer)
                slope = buffer.sign_() if sign else buffer.clamp_(-1, 1)
                total.addcmul_(slope, by_group[:, :, output, None])
    inside = result[:, :, vertical:vertical + x.shape[2], horizontal:horizontal + x.shape[3]]
    return inside.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def _padded(x: Tensor, geometry: Geometry) -> Tensor:
    vertical, horizontal = geometry.padding
    return functional.pad(x, (horizontal, horizontal, vertical, vertical))


def _chunks(x: Tensor, pixels: int) -> Iterator[slice]:
    """Images whose tap fits the cache, so many at a time."""
    step = max(1, _CHUNK // (x.shape[1] * pixels))
    return (slice(first, first + step) for first in range(0, len(x), step))


def _taps(padded: Tensor, weight: Tensor, geometry: Geometry,
          size: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor]]:
    """For every tap what it reads, (N, groups, channels, OH, OW), and its weights (groups, outputs, channels)."""
    grouped = padded.unflatten(1, (geometry.groups, -1))
    kernels = weight.unflatten(0, (geometry.groups, -1))
    rows, columns = (slice(0, (outputs - 1) * stride + 1, stride)
                     for outputs, stride in zip(size, geometry.stride, strict=True))
    for row in range(weight.shape[2]):
        for column in range(weight.shape[3]):
            top, left = row * geometry.dilation[0], column * geometry.dilation[1]
            yield grouped[..., top:, left:][..., rows, columns], kernels[..., row, column]
