"""From the exported graph to steps: every ATen operation becomes one, or is refused by its name, line and reason."""

import operator

from torch import fx, nn

from nomul.sw.exported import Exported, is_leaf, user_line
from nomul.sw.read_operations import Call, Refused, read_operation
from nomul.sw.steps import (
    INPUT,
    AveragePooling,
    Classes,
    Normalization,
    QuantizationError,
    Shape,
    Step,
    StepGraph,
    Weighted,
)

__all__ = ["read_graph"]

#: Batch sizes and types that export checks: they compute nothing.
_ASSERTIONS = ("_assert_tensor_metadata", "_assert_scalar")


def read_graph(exported: Exported) -> StepGraph:
    """Every operation becomes a step, which names what it reads, and in which shape.

    Raises
    ------
    QuantizationError
        For an operation that the hardware does not have, or whose output nothing reads; names node and line.
    """
    reader = _Reader(exported)
    for node in exported.graph.nodes:
        if node.op == "call_function" and not any(name in str(node.target) for name in _ASSERTIONS):
            reader.read(node)
    output = next(node for node in exported.graph.nodes if node.op == "output")
    values = [value for value in output.args[0] if value is not None]
    names = {reader.tensors.get(value, "") for value in values}
    name = names.pop() if len(names) == 1 else ""
    classes = name in reader.steps and isinstance(reader.steps[name].operation, Classes)
    if not name or len(values) > 1 and not classes:
        raise QuantizationError("the model must return the output of its last layer, and nothing else")
    shape = () if classes else _shape(values[0])
    return StepGraph(_shape(exported.images), tuple(reader.steps.values()), name, shape)


class _Reader:

    def __init__(self, exported: Exported):
        self.modules = exported.modules
        self.tensors: dict[fx.Node, str] = {exported.images: INPUT}     # which tensor a node's value is
        self.steps: dict[str, Step] = {}
        self.called: set[nn.Module] = set()

    def read(self, node: fx.Node) -> None:
        if node.target is operator.getitem and node.args[0] in self.tensors:
            self.tensors[node] = self.tensors[node.args[0]]     # type: ignore[index] # values or indices of classes
            return
        path = self._path(node)
        label = node.name.rstrip("_") if path is None else path
        line = user_line(node.meta.get("stack_trace") or "")
        if not node.users:
            raise QuantizationError(f"node {label!r}{line}: nothing reads its output; leave it out of the forward")
        try:
            self._add(node, path, label, line)
        except Refused as error:
            raise QuantizationError(f"node {label!r}{line}: {error}") from None

    def _add(self, node: fx.Node, path: str | None, label: str, line: str) -> None:
        call = Call.of(node, None if path is None else self.modules[path])
        operation, operands = read_operation(call)
        if isinstance(operation, Weighted | Normalization):
            if call.module in self.called:
                raise Refused("the layer is called twice; give each call its own")
            assert call.module is not None
            self.called.add(call.module)
        for operand in operands:
            if not isinstance(operand, fx.Node) or operand not in self.tensors:
                raise Refused(f"{call.name} must be of tensors that come from the images, not of {operand}")
        name = self._unused(path, path or call.name)
        self.tensors[node] = name
        shape = () if isinstance(operation, Classes) else _shape(node)
        if isinstance(operation, AveragePooling) and len(shape) == 1:   # a mean without keepdim
            shape = (*shape, 1, 1)
        self.steps[name] = Step(name, operation, tuple(self.tensors[operand] for operand in operands),
                                tuple(map(_shape, operands)), shape, path if name == path else None, label,
                                line)

    def _unused(self, path: str | None, wanted: str) -> str:
        """`wanted`, or that with the first number that is left; no other module's path."""
        number, name = 0, wanted
        while name in self.steps or name != path and name in self.modules:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def _path(self, node: fx.Node) -> str | None:
        """Of the module of torch or nomul that a node is the call of."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        module = self.modules.get(stack[-1][0]) if stack else None
        if module is None:
            return None
        from_torch = type(module).__module__.startswith("torch.nn.modules.") and not any(module.children())
        return stack[-1][0] if is_leaf(module) or from_torch else None


def _shape(node: fx.Node) -> Shape:
    """Of a node's value without the images' dimension."""
    return tuple(node.meta["val"].shape)[1:]
