"""The front end: from a model to the steps that the hardware does, pass by pass.

`export` (one graph of ATen operations), `read_graph` (a step for each), `drop_inert` (what leaves numbers as they are),
`fuse_norms`, `fuse_rectifications`, `take_roundings` (what belongs to the step before it), `drop_classes` (the output
is logits), `compare` (the steps compute what the model does). After each, `check_steps` looks for broken promises.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nomul.sw.check_steps import check_steps
from nomul.sw.divergence import stored_culprit
from nomul.sw.exported import export
from nomul.sw.fuse_steps import drop_classes, drop_inert, fuse_norms, fuse_rectifications, take_roundings
from nomul.sw.read_graph import read_graph
from nomul.sw.step_graph import FloatModel, float_model
from nomul.sw.steps import (
    Classes,
    Inert,
    Normalization,
    Operation,
    QuantizationError,
    Rectification,
    Rounding,
    StepGraph,
)

__all__ = ["Lowered", "Tell", "lower_model"]

#: Function of (pass, text), called after each pass with what it did.
Tell = Callable[[str, str], None]

#: In order: a pass, and the kind of operation that there is none of from then on.
_PASSES: tuple[tuple[Callable[[StepGraph], StepGraph], type[Operation]], ...] = (
    (drop_inert, Inert), (fuse_norms, Normalization), (fuse_rectifications, Rectification),
    (take_roundings, Rounding), (drop_classes, Classes))
#: Images that are enough to see whether two models differ.
_COMPARED = 2
#: Of the largest logit: sums in another order differ by less.
_TOLERANCE = 1e-4


class Lowered(NamedTuple):
    """The steps of a model, the last of which makes the logits, and the model that runs them with its own layers."""

    graph: StepGraph
    floats: FloatModel


def lower_model(model: nn.Module, images: Tensor, tell: Tell = lambda name, text: None) -> Lowered:
    """Finds the steps of a model.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; it is left as it is.
    images : torch.Tensor (N, C, H, W)
        Such as it takes.
    tell : function of (pass, text)
        Called after each pass with what it did.

    Raises
    ------
    QuantizationError
        For an operation or arrangement that the hardware does not have, a module whose output nothing reads, or a
        parameter that is not finite; names node and line.
    PassError
        If a pass breaks its promise.
    """
    if culprit := stored_culprit(model):
        raise QuantizationError(f"{culprit}; train the model again, with a lower learning rate")
    exported = export(model, images)
    tell("export", f"{sum(node.op == 'call_function' for node in exported.graph.nodes)} operations for images of "
                   f"{'×'.join(map(str, images.shape[1:]))}")
    graph = read_graph(exported)
    check_steps(graph, "read_graph", ())
    tell("read_graph", _note(graph))
    logits = not any(isinstance(step.operation, Classes) for step in graph.steps)
    absent: list[type[Operation]] = []
    for run, kind in _PASSES:
        before, graph = graph, run(graph)
        absent.append(kind)
        check_steps(graph, run.__name__, absent)
        tell(run.__name__, _difference(before, graph, kind))
    floats = float_model(model, graph)
    tell("compare", _compare(model, floats, images[:_COMPARED], logits))
    return Lowered(graph, floats)


def _compare(model: nn.Module, floats: FloatModel, images: Tensor, logits: bool) -> str:
    """Refuses steps that compute something else than the model does."""
    if not logits:
        return "not done: the model returns classes"
    with torch.no_grad():
        found = floats.module(images)
        try:
            expected = model(images.clone())
        except RuntimeError:
            return f"not done: the model takes no {len(images)} images"
    if not isinstance(expected, Tensor):
        raise QuantizationError(f"the model must return a tensor, the logits, not a {type(expected).__name__}")
    if not torch.isfinite(expected).all():
        return "not done: the model's logits are not finite"
    if not torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE * float(expected.abs().max())):
        raise QuantizationError(f"the model's logits are not those of its steps, but up to "
                                f"{float((found - expected).abs().max()):.3g} away: write its forward without "
                                f"operations that change a tensor in place")
    return f"{len(images)} images have the model's own logits"


def _note(graph: StepGraph) -> str:
    counts = Counter(step.operation.noun for step in graph.steps)
    return ", ".join(f"{count} × {noun}" for noun, count in counts.items())


def _difference(before: StepGraph, after: StepGraph, kind: type[Operation]) -> str:
    gone = len(before.steps) - len(after.steps)
    return f"{gone} × {kind.noun}, {len(after.steps)} steps left" if gone else f"no {kind.noun}"
