"""The graph of a model by `torch.export`: ATen operations, where each of nomul's own layers is one node.

A node of an own layer is a call of `nomul::leaf` with the layer's path. That operation has a shape and no values: the
graph is read, and never run.
"""

import contextlib
import inspect
import io
import logging
import os
import re
import traceback
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from nomul.sw.geometry import Geometry
from nomul.sw.layer_base import ConvolutionLayer, LinearLayer
from nomul.sw.on_grid import ActivationsOnGrid
from nomul.sw.steps import ARRAYS, QuantizationError

__all__ = ["LEAF", "Exported", "export", "is_leaf", "user_line"]

torch.library.define("nomul::leaf", "(Tensor x, str path, int[] shape) -> Tensor")
#: The operation that stands for an own layer.
LEAF = torch.ops.nomul.leaf.default

_FOREIGN = (os.path.dirname(torch.__file__) + os.sep, __file__)


@torch.library.register_fake("nomul::leaf")
def _(x: Tensor, path: str, shape: list[int]) -> Tensor:
    return x.new_empty(shape)


class Exported(NamedTuple):
    """A graph, the node of the images in it, and its modules by their paths."""

    graph: fx.Graph
    images: fx.Node
    modules: dict[str, nn.Module]


def export(model: nn.Module, images: Tensor) -> Exported:
    """Exports `model` for images of this shape.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; it is left as it is.
    images : torch.Tensor (N, C, H, W)
        Only their shape counts.

    Raises
    ------
    QuantizationError
        For another number of inputs than one, control flow that depends on values, or a model that fails.
    """
    _check_signature(model)
    try:
        with _leaves(model), _silence(), torch.no_grad():
            program = torch.export.export(model, (images,), strict=False)
    except Exception as error:
        where = user_line("".join(traceback.format_tb(error.__traceback__)))
        first = (str(error).splitlines() or [type(error).__name__])[0]
        if "data-dependent" in str(error):
            raise QuantizationError(f"the model cannot be exported{where}: what it computes depends on tensors' values "
                                    f"({first.split(' (')[0]}); write its forward without conditions on tensors, "
                                    f".item() and float()") from None
        raise QuantizationError(f"the model fails on calibration images of shape {tuple(images.shape)}{where}: "
                                f"{first}") from None
    name, = program.graph_signature.user_inputs
    node = next(node for node in program.graph.nodes if node.name == name)
    return Exported(program.graph, node, dict(model.named_modules()))


def user_line(trace: str) -> str:
    """The last line of a stack trace that is neither torch's nor here, as " (net.py:12)"; empty if there is none."""
    own = [place for place in re.findall(r'File "([^"<]+)", line (\d+)', trace) if not place[0].startswith(_FOREIGN)]
    return f" ({os.path.basename(own[-1][0])}:{own[-1][1]})" if own else ""


def _check_signature(model: nn.Module) -> None:
    parameters = list(inspect.signature(model.forward).parameters.values())
    required = [parameter.name for parameter in parameters if parameter.default is parameter.empty
                and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)]
    if len(required) > 1 or not parameters:
        culprit = f"node {required[1]!r}: " if required else ""
        raise QuantizationError(f"{culprit}the model must have one input, the images")


def is_leaf(module: nn.Module) -> bool:
    """Whether it is one of nomul's own, and one node of the graph."""
    return isinstance(module, (*ARRAYS, ActivationsOnGrid))


@contextlib.contextmanager
def _leaves(model: nn.Module) -> Iterator[None]:
    """Every own layer calls `LEAF` meanwhile, and no hooks."""
    layers = [(path, module) for path, module in model.named_modules() if is_leaf(module)]
    before = [dict(layer.__dict__) for _, layer in layers]
    try:
        for path, layer in layers:
            layer.__dict__.update(forward=partial(_leaf, path, layer), _forward_hooks={}, _forward_pre_hooks={})
        yield
    finally:
        for (_, layer), attributes in zip(layers, before, strict=True):
            layer.__dict__.pop("forward")
            layer.__dict__.update(attributes)


def _leaf(path: str, layer: nn.Module, x: Tensor) -> Tensor:
    return LEAF(x, path, _output_shape(path, layer, tuple(x.shape)))


def _output_shape(path: str, layer: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    if not all(isinstance(size, int) for size in shape):
        raise ValueError(f"layer {path!r}: the shape of its input depends on tensors' values")
    if isinstance(layer, ConvolutionLayer):
        if len(shape) != 4 or shape[1] != layer.in_channels:
            raise ValueError(f"layer {path!r} takes (N, C, H, W) with {layer.in_channels} input channels, not {shape}")
        geometry = Geometry.of(layer.stride, layer.padding, layer.dilation, layer.groups)
        size = geometry.output_size(shape[2:], layer.weight_shape[2:])
        if min(size) < 1:
            raise ValueError(f"layer {path!r}: its kernel does not fit into the map of {shape}")
        return shape[0], layer.out_channels, *size
    if isinstance(layer, LinearLayer):
        if len(shape) < 1 or shape[-1] != layer.in_features:
            raise ValueError(f"layer {path!r} takes {layer.in_features} input features, not {shape}")
        return *shape[:-1], layer.out_features
    return shape


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """torch.export says a lot before it raises an error, whose first line is enough."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
