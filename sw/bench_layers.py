"""How long the layers take, forward and backward, beside `nn.Conv2d` on the same shapes in the same run."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from nomul.gen.spec.errors import NomulError
from nomul.sw.allocator import keep_freed_memory
from nomul.sw.layers import L1Conv2d, ShiftConv2d, SignConv2d

__all__ = ["LAYERS", "SHAPES", "DeviceError", "Row", "Shape", "bench_layers", "check_device", "measure"]

_WARM_UP = 2


class DeviceError(NomulError):
    """There is no such device here."""


class Shape(NamedTuple):
    """A convolution of a network; a linear layer is one whose kernel is the whole map."""

    network: str
    inputs: int
    outputs: int
    size: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1

    def __str__(self) -> str:
        return f"{self.inputs}->{self.outputs} {self.size}x{self.size} k{self.kernel} s{self.stride}"


#: Every different layer of ResNet-20 for 32×32 images and of `nomul.sw.lenet`.
SHAPES = (
    Shape("resnet20", 3, 16, 32),
    Shape("resnet20", 16, 16, 32),
    Shape("resnet20", 16, 32, 32, stride=2),
    Shape("resnet20", 32, 32, 16),
    Shape("resnet20", 32, 64, 16, stride=2),
    Shape("resnet20", 64, 64, 8),
    Shape("resnet20", 64, 10, 1, kernel=1, padding=0),
    Shape("lenet", 1, 16, 28, stride=2),
    Shape("lenet", 16, 32, 14),
    Shape("lenet", 32, 32, 7),
    Shape("lenet", 32, 64, 7, stride=2),
    Shape("lenet", 64, 10, 4, kernel=4, padding=0),
)

#: What is measured, by the name of its rows.
LAYERS: dict[str, Callable[..., nn.Module]] = {
    "l1": L1Conv2d, "shift-q": ShiftConv2d, "shift-ps": partial(ShiftConv2d, form="ps"), "sign": SignConv2d}


@dataclass(frozen=True)
class Row:
    """One layer on one shape, in milliseconds; the names are keys of the JSON.

    Attributes
    ----------
    layer, network, shape : str
        What was measured.
    batch : int
        Images.
    forward_ms, backward_ms : float
        Shortest forward; shortest backward, with the gradients of input and parameters.
    conv_ms : float
        `nn.Conv2d` without bias, forward and backward together, measured in turns with the layer.
    ratio_to_conv : float
        ``(forward_ms + backward_ms) / conv_ms``.
    threads : int
        That PyTorch and the layers' kernels might use.
    """

    layer: str
    network: str
    shape: str
    batch: int
    forward_ms: float
    backward_ms: float
    conv_ms: float
    ratio_to_conv: float
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


def check_device(device: str) -> None:
    """Raises `DeviceError` if `device` is ``"cuda"`` and PyTorch finds no such GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda needs an NVIDIA GPU and a PyTorch built for CUDA, and there is none here: "
                          "use --device cpu")


def bench_layers(batch: int, repeats: int, threads: int,
                 progress: Callable[[int, int], None] | None = None, device: str = "cpu") -> list[Row]:
    """Measures every layer of `LAYERS` on every shape of `SHAPES`.

    Parameters
    ----------
    batch : int
        Images.
    repeats : int
        Rounds, in each of which each layer runs once; the shortest counts, as other programs only make it longer.
    threads : int
        For PyTorch and the kernels.
    progress : callable, optional
        Called after every shape.
    device : str
        ``"cpu"`` or ``"cuda"``.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = []
        for done, shape in enumerate(SHAPES, start=1):
            rows += measure(shape, batch, repeats, device)
            if progress is not None:
                progress(done, len(SHAPES))
        return rows
    finally:
        torch.set_num_threads(before)


def measure(shape: Shape, batch: int, repeats: int, device: str = "cpu") -> list[Row]:
    """One row for each layer on one shape, with PyTorch's threads as they are."""
    geometry = (shape.inputs, shape.outputs, shape.kernel, shape.stride, shape.padding)
    layers: dict[str, nn.Module] = {"conv": nn.Conv2d(*geometry, bias=False)}
    layers |= {name: kind(*geometry) for name, kind in LAYERS.items()}
    for layer in layers.values():
        layer.to(device)
    x = torch.randn(batch, shape.inputs, shape.size, shape.size, device=device, requires_grad=True)
    with torch.no_grad():
        gradient = torch.randn_like(layers["conv"](x))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in layers}
    for turn in range(_WARM_UP + repeats):
        for name, layer in layers.items():
            seconds = _step(layer, x, gradient)
            if turn >= _WARM_UP:
                times[name].append(seconds)
    shortest = {name: [1000 * min(column) for column in zip(*both, strict=True)] for name, both in times.items()}
    conv = sum(shortest.pop("conv"))
    return [Row(name, shape.network, str(shape), batch, forward, backward, conv, (forward + backward) / conv,
                torch.get_num_threads()) for name, (forward, backward) in shortest.items()]


def _step(layer: nn.Module, x: torch.Tensor, gradient: torch.Tensor) -> tuple[float, float]:
    """Seconds of one forward and of one backward."""
    start = _now(x)
    result = layer(x)
    middle = _now(x)
    torch.autograd.grad(result, (x, *layer.parameters()), gradient)
    return middle - start, _now(x) - middle


def _now(x: torch.Tensor) -> float:
    """The clock, once a GPU has done all that it was given: calls return before."""
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter()
