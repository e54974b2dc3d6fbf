"""What each ATen operation is as a step: its arguments, checked, as one of the kinds of `nomul.sw.steps`."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from nomul.sw.on_grid import ActivationsOnGrid
from nomul.sw.steps import (
    ARRAYS,
    AveragePooling,
    Classes,
    Concatenation,
    Inert,
    MaxPooling,
    Normalization,
    Operation,
    Rectification,
    Rounding,
    Sum,
    Upsampling,
    Weighted,
)

__all__ = ["Call", "Refused", "read_operation"]

_SUPPORTED = (f"supported are {', '.join(kind.__name__ for kind in ARRAYS)}, directly followed by BatchNorm and ReLU "
              f"(or ReLU6, Hardtanh from 0) if wanted; MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, mean((2, 3)), nearest "
              f"Upsample, Flatten, Dropout, Identity; sums a + b, cat along channels, and argmax or topk at the end")
_HINTS = {
    "conv2d": "; it multiplies: use L1Conv2d, ShiftConv2d, PowerSumConv2d or SignConv2d, or convert_",
    "linear": "; it multiplies: use L1Linear, ShiftLinear, PowerSumLinear or SignLinear, or convert_",
    "softmax": "; leave it out: the logits are ordered alike",
    "log_softmax": "; leave it out: the logits are ordered alike",
}


class Refused(Exception):
    """Why an operation is none that the hardware has; the caller says where it is."""


class Call(NamedTuple):
    """An operation of the exported graph.

    Attributes
    ----------
    name : str
        ATen's, without the underscore of operations in place: "max_pool2d".
    arguments : dict of str to any
        All of them, defaults included, by the names that ATen gives them.
    module : nn.Module or None
        Of torch or nomul, whose forward called it.
    """

    name: str
    arguments: dict[str, Any]
    module: nn.Module | None

    @classmethod
    def of(cls, node: fx.Node, module: nn.Module | None) -> "Call":
        """What a node of the graph calls."""
        if not isinstance(node.target, torch._ops.OpOverload):
            return cls(getattr(node.target, "__name__", str(node.target)), {}, module)
        parameters = node.target._schema.arguments
        arguments = {each.name: each.default_value for each in parameters}
        arguments |= dict(zip((each.name for each in parameters), node.args, strict=False))
        return cls(node.target._schema.name.rpartition("::")[2].rstrip("_"), arguments | node.kwargs, module)

    def size(self) -> tuple[int, int]:
        """Height and width of the map that it reads."""
        shape = _shape(self.arguments.get("self", self.arguments.get("input")))
        if len(shape) != 4:
            raise Refused(f"{self.name} is not supported on a tensor of shape {shape}, only on (N, C, H, W)")
        return shape[2], shape[3]

    def pair(self, key: str, default: tuple[int, int] = (1, 1)) -> tuple[int, int]:
        """An argument for both directions."""
        values = self.arguments[key]
        return default if not values else (values[0], values[-1])


def read_operation(call: Call) -> tuple[Operation, list[fx.Node]]:
    """The operation that a call is, and the tensors that it reads.

    Raises
    ------
    Refused
        If there is no such; with what is supported.
    """
    if call.name not in _READERS:
        name = call.name if call.module is None else type(call.module).__name__
        raise Refused(f"{name} is not supported{_HINTS.get(call.name, '')}; {_SUPPORTED}")
    operation = _READERS[call.name](call)
    first = next(iter(call.arguments.values()))
    if isinstance(operation, Sum):
        return operation, [call.arguments["self"], call.arguments["other"]]
    return operation, list(first) if isinstance(first, list | tuple) else [first]


def _leaf(call: Call) -> Operation:
    if isinstance(call.module, ActivationsOnGrid):
        return Rounding(call.module)
    assert isinstance(call.module, ARRAYS)
    return Weighted(call.module)


def _batch_norm(call: Call) -> Operation:
    norm = call.module
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
        raise Refused("a batch norm must be a module, BatchNorm1d or BatchNorm2d")
    if norm.running_mean is None:
        raise Refused("the batch norm has no running statistics; train it with track_running_stats=True")
    return Normalization(norm)


def _bounded(lower: str, upper: str) -> Callable[[Call], Operation]:
    def read(call: Call) -> Operation:
        limits = call.arguments[lower], call.arguments.get(upper)
        if limits[0] != 0 or isinstance(limits[1], fx.Node):
            name = call.name if call.module is None else type(call.module).__name__
            raise Refused(f"a {name} must begin at 0, as a ReLU, not at {limits[0]}")
        return Rectification(math.inf if limits[1] is None else limits[1])
    return read


def _max_pool(call: Call) -> Operation:
    _refuse_ceil(call)
    kernel = call.pair("kernel_size")
    return MaxPooling(kernel, call.pair("stride", kernel), call.pair("padding", (0, 0)), call.pair("dilation"))


def _average_pool(call: Call) -> Operation:
    _refuse_ceil(call)
    if call.arguments["divisor_override"] is not None:
        raise Refused("average pooling has no divisor_override")
    kernel = call.pair("kernel_size")
    return AveragePooling(kernel, call.pair("stride", kernel), call.pair("padding", (0, 0)),
                          call.arguments["count_include_pad"])


def _refuse_ceil(call: Call) -> None:
    call.size()
    if call.arguments["ceil_mode"]:
        raise Refused("pooling has no ceil_mode; pad instead")


def _adaptive_pool(call: Call) -> Operation:
    (height, width), (rows, columns) = call.size(), call.pair("output_size")
    if height % rows or width % columns:
        raise Refused(f"adaptive pooling of {height}×{width} to {rows}×{columns} has windows of several sizes; the "
                      f"output's size must divide the map's")
    window = height // rows, width // columns
    return AveragePooling(window, window)


def _mean(call: Call) -> Operation:
    size = call.size()
    if {dimension % 4 for dimension in call.arguments.get("dim") or ()} != {2, 3}:
        raise Refused(f"a mean must be that of whole maps, mean((2, 3)), not over {call.arguments.get('dim')}")
    return AveragePooling(size, size)


def _add(call: Call) -> Operation:
    operands = call.arguments["self"], call.arguments["other"]
    if call.arguments["alpha"] != 1 or not all(isinstance(operand, fx.Node) for operand in operands):
        raise Refused(f"add is not supported but for two tensors, a + b; {_SUPPORTED}")
    shapes = [_shape(operand) for operand in operands]
    if shapes[0] != shapes[1]:
        raise Refused(f"a sum's tensors must have one shape, not {shapes[0]} and {shapes[1]}")
    return Sum()


def _concatenation(call: Call) -> Operation:
    shapes = [_shape(tensor) for tensor in call.arguments["tensors"]]
    if call.arguments["dim"] % len(shapes[0]) != 1:
        raise Refused(f"tensors may be concatenated along channels, dim=1, not dim={call.arguments['dim']}")
    return Concatenation()


def _upsampling(call: Call) -> Operation:
    height, width = call.size()
    scales = call.arguments.get("scale_factors")
    factors = scales or [size / before for size, before in zip(call.arguments["output_size"], (height, width),
                                                               strict=True)]
    if any(factor != int(factor) or factor < 1 for factor in factors):
        raise Refused(f"upsampling must be by whole factors, not {', '.join(f'{factor:g}' for factor in factors)}")
    return Upsampling((int(factors[0]), int(factors[1])))


def _dropout(call: Call) -> Operation:
    if call.arguments["train"]:
        raise Refused("a dropout must end with training: pass training=self.training")
    return Inert()


def _conversion(call: Call) -> Operation:
    if call.arguments.get("dtype") not in (None, torch.float32):
        raise Refused(f"a conversion to {call.arguments['dtype']} is not supported")
    return Inert()


def _classes(call: Call) -> Operation:
    shape = _shape(call.arguments["self"])
    dimension = call.arguments.get("dim")
    if len(shape) not in (2, 4) or dimension is None or dimension % len(shape) != 1 \
            or not call.arguments.get("largest", True):
        raise Refused(f"{call.name} must be of the largest along the classes, dim=1")
    return Classes()


def _shape(value: object) -> tuple[int, ...]:
    return tuple(value.meta["val"].shape) if isinstance(value, fx.Node) else ()


def _inert(call: Call) -> Operation:
    return Inert()


_READERS: dict[str, Callable[[Call], Operation]] = {
    "leaf": _leaf, "batch_norm": _batch_norm,
    "relu": lambda call: Rectification(), "relu6": lambda call: Rectification(6),
    "hardtanh": _bounded("min_val", "max_val"), "clamp": _bounded("min", "max"), "clamp_min": _bounded("min", "max"),
    "max_pool2d": _max_pool, "avg_pool2d": _average_pool, "adaptive_avg_pool2d": _adaptive_pool, "mean": _mean,
    "add": _add, "cat": _concatenation, "concat": _concatenation, "concatenate": _concatenation,
    "upsample_nearest2d": _upsampling,
    "argmax": _classes, "topk": _classes, "max": _classes,
    "dropout": _dropout, "feature_dropout": _dropout, "alpha_dropout": _dropout, "to": _conversion,
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten", "contiguous", "clone", "alias",
                     "detach"), _inert),
}
