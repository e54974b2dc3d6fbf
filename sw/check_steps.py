"""What holds for a graph of steps after every pass; a pass that breaks it is named."""

from collections.abc import Collection

from nomul.gen.spec.errors import NomulError
from nomul.sw.steps import (
    INPUT,
    AveragePooling,
    Concatenation,
    Inert,
    MaxPooling,
    Operation,
    Shape,
    Step,
    StepGraph,
    Sum,
    Upsampling,
    Weighted,
    is_view,
)

__all__ = ["PassError", "check_steps"]

#: How many tensors an operation reads; others read one.
_SUM_OPERANDS = 2


class PassError(NomulError):
    """A pass of the front end that broke its promise: a bug of nomul, whatever the model."""


def check_steps(graph: StepGraph, after: str, absent: Collection[type[Operation]]) -> None:
    """Checks what must hold after the pass called `after`.

    Names are unique; a step reads tensors of earlier steps; every tensor is read; operations have as many inputs, and
    outputs of such shapes, as their kind says; no operation is of a kind that is to be `absent`; and once nothing is
    inert, every step reads a map as it is, or flattened.

    Raises
    ------
    PassError
        Names pass and step.
    """
    def require(holds: bool, what: str) -> None:
        if not holds:
            raise PassError(f"pass {after!r} broke its promise: {what}; please report this, with the model")

    shapes = graph.shapes()
    require(len(shapes) == len(graph.steps) + 1, "two steps have one name")
    known = [INPUT]
    for step in graph.steps:
        require(set(step.inputs) <= set(known), f"step {step.name!r} reads {', '.join(step.inputs)} before it is made")
        require(graph.readers(step.name) > 0, f"nothing reads the tensor of step {step.name!r}")
        require(not isinstance(step.operation, tuple(absent)),
                f"step {step.name!r} is still there, a {step.operation.noun}")
        require(Inert not in absent or all(map(is_view, (shapes[name] for name in step.inputs), step.reads)),
                f"step {step.name!r} reads {step.reads} of tensors that have other shapes")
        require(len(step.inputs) == len(step.reads), f"step {step.name!r} reads {len(step.inputs)} tensors in "
                                                     f"{len(step.reads)} shapes")
        require(_has_operands(step), f"step {step.name!r} is a {step.operation.noun} of {len(step.inputs)} tensors")
        expected = _output_shape(step)
        require(expected is None or expected == step.shape, f"step {step.name!r} makes {step.shape}, not {expected}")
        known.append(step.name)
    require(graph.output in known, f"the output is {graph.output!r}, which there is not")


def _has_operands(step: Step) -> bool:
    match step.operation:
        case Sum():
            return len(step.inputs) == _SUM_OPERANDS
        case Concatenation():
            return len(step.inputs) > 0
        case _:
            return len(step.inputs) == 1


def _output_shape(step: Step) -> Shape | None:
    """What the operation makes of what it reads; None where the layer alone knows."""
    first = step.reads[0]
    match step.operation:
        case Sum():
            return first if set(step.reads) == {first} else ()
        case Concatenation():
            return sum(read[0] for read in step.reads), *first[1:]
        case Upsampling(factor):
            return first[0], first[1] * factor[0], first[2] * factor[1]
        case MaxPooling(kernel, stride, padding, dilation):
            return first[0], *map(_windows, first[1:], kernel, stride, padding, dilation)
        case AveragePooling(kernel, stride, padding):
            return first[0], *map(_windows, first[1:], kernel, stride, padding, (1, 1))
        case Weighted(layer):
            return layer.weight_shape[0], *step.shape[1:]
        case _:
            return None


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
