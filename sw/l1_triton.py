"""L1 layers on CUDA, in Triton: forward and input gradient.

Each program owns a block of pixels times a block of channels and sums its taps in registers, so that no product of
outputs, taps and positions is ever stored. The gradient is gathered by input pixel, without atomic additions. Only
imported where it is used, as Triton is optional.
"""

import os

import torch
import triton
import triton.language as tl
from torch import Tensor

from nomul.sw.geometry import Geometry

__all__ = ["triton_forward", "triton_input_gradient"]

#: (pixels, channels) of a block. Narrow ones suit depthwise layers. The interpreter has nothing to measure.
_BLOCKS = [(64, 16)] if os.environ.get("TRITON_INTERPRET") == "1" else [(256, 1), (128, 16), (64, 32), (64, 64)]
_CONFIGS = [triton.Config({"PIXELS": pixels, "LANES": lanes}) for pixels, lanes in _BLOCKS]
_KEY = ["total", "G", "C", "M", "H", "W", "KH", "KW", "SY", "SX"]


def triton_forward(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """As `nomul.sw.l1_native.native_forward`, for float32."""
    height, width = geometry.output_size(x.shape[2:], weight.shape[2:])
    result = x.new_empty(len(x), height, width, len(weight))
    _launch(_forward, x, weight, result, geometry, (height, width), len(x) * height * width,
            len(weight) // geometry.groups)
    return result.permute(0, 3, 1, 2)


def triton_input_gradient(x: Tensor, weight: Tensor, gradient: Tensor, geometry: Geometry, sign: bool) -> Tensor:
    """As `nomul.sw.l1_native.native_input_gradient`, for float32."""
    images, channels, height, width = x.shape
    result = x.new_empty(images, height, width, channels)
    _launch(_input_gradient, x, weight, result, geometry, gradient.shape[2:], images * height * width,
            weight.shape[1], gradient.contiguous(), SIGN=sign)
    return result.permute(0, 3, 1, 2)


def _launch(kernel, x: Tensor, weight: Tensor, result: Tensor, geometry: Geometry, size: tuple[int, ...], total: int,
            channels: int, *more: Tensor, **options: bool) -> None:
    """One program for each block of `total` pixels and of a group's `channels`."""
    if not total:
        return
    (sy, sx), (py, px), (dy, dx) = geometry.stride, geometry.padding, geometry.dilation

    def grid(block):
        return triton.cdiv(total, block["PIXELS"]), triton.cdiv(channels, block["LANES"]), geometry.groups

    with torch.cuda.device_of(x):  # Triton launches on the current device, not on the tensors'
        kernel[grid](x.contiguous(), weight.contiguous(), result, *more, total, G=geometry.groups, C=weight.shape[1],
                     M=len(weight) // geometry.groups, H=x.shape[2], W=x.shape[3], KH=weight.shape[2],
                     KW=weight.shape[3], OH=size[0], OW=size[1], SY=sy, SX=sx, PY=py, PX=px, DY=dy, DX=dx, **options)


@triton.autotune(_CONFIGS, _KEY)
@triton.jit
def _forward(x, w, y, total, G: tl.constexpr, C: tl.constexpr, M: tl.constexpr, H: tl.constexpr, W: tl.constexpr,
             KH: tl.constexpr, KW: tl.constexpr, OH: tl.constexpr, OW: tl.constexpr, SY: tl.constexpr,
             SX: tl.constexpr, PY: tl.constexpr, PX: tl.constexpr, DY: tl.constexpr, DX: tl.constexpr,
             PIXELS: tl.constexpr, LANES: tl.constexpr):
    group = tl.program_id(2)
    pixel = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)
    output = tl.program_id(1) * LANES + tl.arange(0, LANES)
    image, top, left = pixel // (OH * OW), pixel // OW % OH * SY - PY, pixel % OW * SX - PX
    sums = tl.zeros((PIXELS, LANES), tl.float32)
    for tap in range(C * KH * KW):
        row, column = top + tap // KW % KH * DY, left + tap % KW * DX
        inside = (pixel < total) & (row >= 0) & (row < H) & (column >= 0) & (column < W)
        plane = image * (G * C) + group * C + tap // (KH * KW)
        value = tl.load(x + (plane * H + row) * W + column, mask=inside, other=0.0)
        weight = tl.load(w + (group * M + output) * (C * KH * KW) + tap, mask=output < M, other=0.0)
        sums -= tl.abs(value[:, None] - weight[None, :])
    at = pixel[:, None] * (G * M) + group * M + output[None, :]
    tl.store(y + at, sums, mask=(pixel < total)[:, None] & (output < M)[None, :])


@triton.autotune(_CONFIGS, [*_KEY, "SIGN"])
@triton.jit
def _input_gradient(x, w, result, gradient, total, G: tl.constexpr, C: tl.constexpr, M: tl.constexpr,
                    H: tl.constexpr, W: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr, OH: tl.constexpr,
                    OW: tl.constexpr, SY: tl.constexpr, SX: tl.constexpr, PY: tl.constexpr, PX: tl.constexpr,
                    DY: tl.constexpr, DX: tl.constexpr, SIGN: tl.constexpr, PIXELS: tl.constexpr,
                    LANES: tl.constexpr):
    group = tl.program_id(2)
    pixel = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * LANES + tl.arange(0, LANES)
    image, bottom, right = pixel // (H * W), pixel // W % H + PY, pixel % W + PX
    used = (pixel < total)[:, None] & (channel < C)[None, :]
    plane = image[:, None] * (G * C) + group * C + channel[None, :]
    value = tl.load(x + plane * (H * W) + (pixel % (H * W))[:, None], mask=used, other=0.0)
    sums = tl.zeros((PIXELS, LANES), tl.float32)
    for index in range(M * KH * KW):
        output, tap = group * M + index // (KH * KW), index % (KH * KW)
        row, column = bottom - tap // KW * DY, right - tap % KW * DX
        # Only every stride-th pixel is read by this tap; the others, and those off the map, have no gradient.
        read = (pixel < total) & (row >= 0) & (row % SY == 0) & (row < OH * SY)
        read = read & (column >= 0) & (column % SX == 0) & (column < OW * SX)
        at = ((image * (G * M) + output) * OH + row // SY) * OW + column // SX
        slope = tl.load(w + (output * C + channel) * (KH * KW) + tap, mask=channel < C, other=0.0)[None, :] - value
        if SIGN:
            slope = tl.where(slope > 0, 1.0, 0.0) - tl.where(slope < 0, 1.0, 0.0)
        else:
            slope = tl.minimum(tl.maximum(slope, -1.0), 1.0)
        sums += slope * tl.load(gradient + at, mask=read, other=0.0)[:, None]
    tl.store(result + pixel[:, None] * (G * C) + group * C + channel[None, :], sums, mask=used)
