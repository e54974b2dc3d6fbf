"""Passes from steps to steps: each takes a kind of operation away, as part of another step or altogether.

What does not fit is refused by the name and the line of its node.
"""

from collections.abc import Callable
from dataclasses import replace

from nomul.sw.on_grid import ActivationsOnGrid
from nomul.sw.steps import (
    INPUT,
    Classes,
    Inert,
    Normalization,
    Operation,
    QuantizationError,
    Rectification,
    Rounding,
    Step,
    StepGraph,
    Sum,
    Weighted,
    is_view,
)

__all__ = ["drop_classes", "drop_inert", "fuse_norms", "fuse_rectifications", "take_roundings"]


def drop_inert(graph: StepGraph) -> StepGraph:
    """No step is inert; every step reads a map as it is, or flattened."""
    graph = _without(graph, Inert, lambda step, before: None)
    shapes = graph.shapes()
    for step in graph.steps:
        for name, read in zip(step.inputs, step.reads, strict=True):
            if not is_view(shapes[name], read):
                raise QuantizationError(f"{step.where}: a tensor of shape {shapes[name]} an image is read as {read}; "
                                        f"only flattening is supported, to (N, -1)")
    if not is_view(shapes[graph.output], graph.output_shape):
        raise QuantizationError(f"the model returns logits of shape {shapes[graph.output]} an image as "
                                f"{graph.output_shape}; only flattening is supported, to (N, -1)")
    return graph


def drop_classes(graph: StepGraph) -> StepGraph:
    """No step chooses classes: the model's output is logits, which the last step, a layer with weights, makes."""
    for step in graph.steps:
        if isinstance(step.operation, Classes):
            if graph.output != step.name or graph.readers(step.name) > 1:
                raise QuantizationError(f"{step.where}: classes must be the model's output, and its only one")
            rest = tuple(other for other in graph.steps if other is not step)
            graph = replace(graph, steps=rest, output=step.inputs[0], output_shape=step.reads[0])
    if not graph.steps or graph.output != graph.steps[-1].name or not isinstance(graph.steps[-1].operation, Weighted):
        raise QuantizationError("the model must return the output of its last layer, which must be an L1, shift or "
                                "sign layer (a batch norm may follow)")
    return graph


def fuse_norms(graph: StepGraph) -> StepGraph:
    """No step is a batch norm: each is part of the layer with weights before it."""

    def fuse(norm: Step, before: Step | None) -> Step:
        assert isinstance(norm.operation, Normalization)
        if before is None or not isinstance(before.operation, Weighted) or before.operation.norm is not None \
                or norm.reads[0] != before.shape:
            raise QuantizationError(f"{norm.where}: a batch norm must directly follow a layer with weights")
        _check_only_reader(graph, norm)
        return replace(before, operation=replace(before.operation, norm=norm.operation.module),
                       fused=_absorbed(norm, before))

    return _without(graph, Normalization, fuse)


def fuse_rectifications(graph: StepGraph) -> StepGraph:
    """No step is a ReLU: each is part of the layer with weights or the sum before it."""

    def fuse(relu: Step, before: Step | None) -> Step:
        assert isinstance(relu.operation, Rectification)
        if before is None or not isinstance(before.operation, Weighted | Sum):
            hint = "" if before is None else f"; put it before the {before.operation.noun}"
            raise QuantizationError(f"{relu.where}: a ReLU must directly follow a layer, its batch norm or a "
                                    f"sum{hint}")
        _check_only_reader(graph, relu)
        return replace(before, relu=True, limit=min(before.limit, relu.operation.limit), fused=_absorbed(relu, before))

    return _without(graph, Rectification, fuse)


def take_roundings(graph: StepGraph) -> StepGraph:
    """No step is a rounding: each belongs to the tensor that it rounds."""

    def fuse(step: Step, before: Step | None) -> Step | None:
        assert isinstance(step.operation, Rounding)
        _check_only_reader(graph, step)
        return None if before is None else replace(before, rounding=_rounding(step))

    image = next((_rounding(step) for step in graph.steps
                  if isinstance(step.operation, Rounding) and step.inputs[0] == INPUT), None)
    return replace(_without(graph, Rounding, fuse), rounding=image)


def _rounding(step: Step) -> tuple[str, ActivationsOnGrid]:
    assert isinstance(step.operation, Rounding)
    assert step.path is not None
    return step.path, step.operation.module


def _without(graph: StepGraph, kind: type[Operation], fuse: Callable[[Step, Step | None], Step | None]) -> StepGraph:
    """Takes all steps of a kind away; `fuse` makes the step before (None for the image) what it then is."""
    steps: dict[str, Step] = {}
    renamed = {INPUT: INPUT}
    for step in graph.steps:
        if not isinstance(step.operation, kind):
            steps[step.name] = replace(step, inputs=tuple(renamed[name] for name in step.inputs))
            renamed[step.name] = step.name
            continue
        source = renamed[step.name] = renamed[step.inputs[0]]
        if (fused := fuse(step, steps.get(source))) is not None:
            steps[source] = fused
    return replace(graph, steps=tuple(steps.values()), output=renamed[graph.output])


def _absorbed(step: Step, into: Step) -> tuple[str, ...]:
    """The modules that are part of `into` when `step` is, too."""
    return into.fused if step.path is None else (*into.fused, step.path)


def _check_only_reader(graph: StepGraph, step: Step) -> None:
    if graph.readers(step.inputs[0]) > 1:
        what = step.operation.noun
        raise QuantizationError(f"{step.where}: the {what}'s input is used elsewhere too, so they cannot be one step; "
                                f"use the {what}'s output there, or give the other path its own layer")
