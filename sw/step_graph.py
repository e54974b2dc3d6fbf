"""From steps back to a graph that runs, for any number of images: with the model's own layers or with others."""

import math
import operator
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional

from nomul.sw.steps import (
    INPUT,
    AveragePooling,
    Concatenation,
    MaxPooling,
    Shape,
    Step,
    StepGraph,
    Sum,
    Upsampling,
    Weighted,
)

__all__ = ["Emit", "FloatModel", "build_graph", "float_model"]

#: Makes the nodes of a step in a graph, given those of its inputs; returns the one of its tensor.
Emit = Callable[[fx.Graph, Step, list[fx.Node]], fx.Node]


class FloatModel(NamedTuple):
    """A graph that computes a model's logits with the model's own layers, and the node of every tensor."""

    module: fx.GraphModule
    nodes: dict[str, fx.Node]


def float_model(model: nn.Module, graph: StepGraph) -> FloatModel:
    """`model` as its steps: it has the same layers, and rounds where the model does."""
    nodes: dict[str, fx.Node] = {}

    def emit(target: fx.Graph, step: Step, inputs: list[fx.Node]) -> fx.Node:
        nodes[step.name] = node = _emit(target, step, inputs)
        return node if step.rounding is None else target.call_module(step.rounding[0], (node,))

    def image(target: fx.Graph, node: fx.Node) -> fx.Node:
        nodes[INPUT] = node
        return node if graph.rounding is None else target.call_module(graph.rounding[0], (node,))

    return FloatModel(fx.GraphModule(model, build_graph(graph, image, emit)), nodes)


def build_graph(graph: StepGraph, image: Callable[[fx.Graph, fx.Node], fx.Node], emit: Emit) -> fx.Graph:
    """The graph of all steps, from images to the model's output.

    Parameters
    ----------
    image : callable
        From a graph and the node of the images to the one that steps read.
    emit : callable
        What a step becomes.
    """
    target, shapes = fx.Graph(), graph.shapes()
    placeholder = target.placeholder("images")
    nodes = {INPUT: image(target, placeholder)}
    for step in graph.steps:
        inputs = [_viewed(target, nodes[name], shapes[name], read)
                  for name, read in zip(step.inputs, step.reads, strict=True)]
        nodes[step.name] = emit(target, step, inputs)
    target.output(_viewed(target, nodes[graph.output], shapes[graph.output], graph.output_shape))
    return target


def _viewed(target: fx.Graph, node: fx.Node, shape: Shape, read: Shape) -> fx.Node:
    if read == shape:
        return node
    return target.call_function(torch.flatten, (node, 1)) if len(read) == 1 else \
        target.call_method("reshape", (node, -1, *read))


def _emit(target: fx.Graph, step: Step, inputs: list[fx.Node]) -> fx.Node:
    node = _operation(target, step, inputs)
    if isinstance(step.operation, Weighted) and step.operation.norm is not None:
        node = target.call_module(step.fused[0], (node,))
    if step.relu and math.isinf(step.limit):
        node = target.call_function(functional.relu, (node,))
    elif step.relu:
        node = target.call_function(functional.hardtanh, (node, 0.0, step.limit))
    return node


def _operation(target: fx.Graph, step: Step, inputs: list[fx.Node]) -> fx.Node:
    if step.path is not None:
        return target.call_module(step.path, (inputs[0],))
    match step.operation:
        case MaxPooling(kernel, stride, padding, dilation):
            return target.call_function(functional.max_pool2d, (inputs[0], kernel, stride, padding, dilation))
        case AveragePooling(kernel) if kernel == step.reads[0][1:]:
            return target.call_method("mean", (inputs[0], (2, 3)), {"keepdim": True})
        case AveragePooling(kernel, stride, padding, count_padding):
            return target.call_function(functional.avg_pool2d, (inputs[0], kernel, stride, padding),
                                        {"count_include_pad": count_padding})
        case Upsampling(factor):
            return target.call_function(functional.interpolate, (inputs[0],),
                                        {"scale_factor": tuple(map(float, factor)), "mode": "nearest"})
        case Sum():
            return target.call_function(operator.add, tuple(inputs))
        case Concatenation():
            return target.call_function(torch.cat, (inputs, 1))
        case other:
            raise AssertionError(other)
