"""What the front end makes of a model: a graph of steps, each of which is one operation of a few kinds.

While passes run (`nomul.sw.front_end`) there are steps that later become part of others: batch norms, ReLUs, roundings.
In the end a step is a layer with weights and all that follows it, a pooling, a sum, a concatenation or an upsampling.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import nn

from nomul.gen.spec.errors import NomulError
from nomul.sw.l1_layers import L1Conv2d, L1Linear
from nomul.sw.network import Tensor
from nomul.sw.on_grid import ActivationsOnGrid
from nomul.sw.power_sum_layers import PowerSumConv2d, PowerSumLinear
from nomul.sw.shift_layers import ShiftConv2d, ShiftLinear
from nomul.sw.sign_layers import SignConv2d, SignLinear

__all__ = ["ARRAYS", "INPUT", "ArrayModule", "AveragePooling", "Classes", "Concatenation", "Inert", "MaxPooling",
           "Normalization", "Operation", "QuantizationError", "Rectification", "Rounding", "Shape", "Step", "StepGraph",
           "Sum", "Upsampling", "Weighted", "is_view"]

ArrayModule = (L1Conv2d | L1Linear | ShiftConv2d | ShiftLinear | PowerSumConv2d | PowerSumLinear
               | SignConv2d | SignLinear)
#: Layers with weights, which the hardware's array computes.
ARRAYS = get_args(ArrayModule)
#: What the image is called.
INPUT = "input"

Pair = tuple[int, int]
#: Of a tensor without its first dimension, the images: (C, H, W) or (C,).
Shape = tuple[int, ...]


class QuantizationError(NomulError):
    """A model that cannot be quantized."""


@dataclass(frozen=True)
class Weighted:
    """A layer with weights, convolution or linear, and the batch norm that follows it."""

    noun: ClassVar[str] = "layer with weights"
    layer: ArrayModule
    norm: nn.BatchNorm1d | nn.BatchNorm2d | None = None


@dataclass(frozen=True)
class MaxPooling:
    """The largest of each window; padding never wins. All pairs are (vertical, horizontal)."""

    noun: ClassVar[str] = "max pooling"
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)


@dataclass(frozen=True)
class AveragePooling:
    """The mean of each window; `count_padding` says whether padded zeros count."""

    noun: ClassVar[str] = "average pooling"
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    count_padding: bool = True


@dataclass(frozen=True)
class Sum:
    """Of two tensors of one shape."""

    noun: ClassVar[str] = "sum"


@dataclass(frozen=True)
class Concatenation:
    """Of any number of tensors, along channels."""

    noun: ClassVar[str] = "concatenation"


@dataclass(frozen=True)
class Upsampling:
    """Every pixel becomes `factor` (vertical, horizontal) pixels."""

    noun: ClassVar[str] = "upsampling"
    factor: Pair


@dataclass(frozen=True)
class Normalization:
    """A batch norm, until it is part of a layer."""

    noun: ClassVar[str] = "batch norm"
    module: nn.BatchNorm1d | nn.BatchNorm2d


@dataclass(frozen=True)
class Rectification:
    """A ReLU that ends at `limit`, until it is part of a step."""

    noun: ClassVar[str] = "ReLU"
    limit: float = math.inf


@dataclass(frozen=True)
class Rounding:
    """Rounding to a grid, put there for training, until its grid is a step's."""

    noun: ClassVar[str] = "rounding"
    module: ActivationsOnGrid


@dataclass(frozen=True)
class Inert:
    """What leaves every number as it is: flattening, dropout in evaluation."""

    noun: ClassVar[str] = "inert operation"


@dataclass(frozen=True)
class Classes:
    """The best classes of the logits: what the hardware finds by itself."""

    noun: ClassVar[str] = "choice of classes"


Operation = (Weighted | MaxPooling | AveragePooling | Sum | Concatenation | Upsampling | Normalization | Rectification
             | Rounding | Inert | Classes)


@dataclass(frozen=True)
class Step:
    """One step of the network.

    Attributes
    ----------
    name : str
        Of the step and of the tensor that it makes: the path of its module, or the operation's name and a number.
    operation : Operation
        What it does.
    inputs : tuple of str
        The tensors that it reads.
    reads : tuple of Shape
        The shapes that it reads them in: a linear layer reads a map flattened.
    shape : Shape
        Of its tensor.
    path : str or None
        The module that does it in the model; None for a function.
    label : str
        What messages call it: the path of the module, or its name in the exported graph.
    line : str
        Where it is in the model's forward, " (net.py:12)"; empty if that is not known.
    relu : bool
        Whether a ReLU follows.
    limit : float
        What it limits values to, as ReLU6 does.
    fused : tuple of str
        Paths of the modules that have become part of it.
    rounding : tuple of (str, ActivationsOnGrid), optional
        Path and module that round its tensor already.
    """

    name: str
    operation: Operation
    inputs: tuple[str, ...]
    reads: tuple[Shape, ...]
    shape: Shape
    path: str | None
    label: str
    line: str
    relu: bool = False
    limit: float = math.inf
    fused: tuple[str, ...] = ()
    rounding: tuple[str, ActivationsOnGrid] | None = None

    @property
    def where(self) -> str:
        """For messages: "node 'add' (net.py:12)"."""
        return f"node {self.label!r}{self.line}"


@dataclass(frozen=True)
class StepGraph:
    """Steps in order of execution.

    Attributes
    ----------
    shape : Shape
        Of an image, the tensor `INPUT`.
    steps : tuple of Step
        Each reads tensors of earlier ones.
    output : str
        The tensor that the model returns.
    output_shape : Shape
        As which it returns it.
    rounding : tuple of (str, ActivationsOnGrid), optional
        Path and module that round the image already.
    """

    shape: Shape
    steps: tuple[Step, ...]
    output: str
    output_shape: Shape
    rounding: tuple[str, ActivationsOnGrid] | None = None

    def roundings(self) -> Iterator[tuple[str, str, ActivationsOnGrid]]:
        """Tensor, path and module of each rounding that is there already."""
        for name, rounding in ((INPUT, self.rounding), *((step.name, step.rounding) for step in self.steps)):
            if rounding is not None:
                yield (name, *rounding)

    def grids(self) -> dict[str, Tensor]:
        """Grids that tensors have already, by their names."""
        return {name: module.grid for name, _, module in self.roundings()}

    def shapes(self) -> dict[str, Shape]:
        """Of every tensor, by its name."""
        return {INPUT: self.shape} | {step.name: step.shape for step in self.steps}

    def readers(self, name: str) -> int:
        """How many times a tensor is read, the model's output included."""
        return sum(step.inputs.count(name) for step in self.steps) + (self.output == name)


def is_view(shape: Shape, read: Shape) -> bool:
    """Whether `read` is `shape`, flattened or with other dimensions of 1 at its end."""
    def pixel(sizes: Shape) -> Shape:
        return sizes[:1] if set(sizes[1:]) <= {1} else sizes

    return pixel(shape) == pixel(read) or read == (math.prod(shape),)
