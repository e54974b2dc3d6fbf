"""From a PyTorch model to the steps that the hardware does: `torch.fx` traces it, fusing finds what belongs together.

A step is an array layer with its batch norm and ReLU, a pooling, or a residual sum with its ReLU.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import torch
from torch import fx, nn
from torch.nn import functional

from nomul.gen.spec.errors import NomulError
from nomul.sw.divergence import stored_culprit
from nomul.sw.l1_layers import L1Conv2d, L1Linear
from nomul.sw.network import Tensor
from nomul.sw.on_grid import ActivationsOnGrid
from nomul.sw.power_sum_layers import PowerSumConv2d, PowerSumLinear
from nomul.sw.shift_layers import ShiftConv2d, ShiftLinear
from nomul.sw.sign_layers import SignConv2d, SignLinear

__all__ = ["ARRAYS", "ArrayModule", "QuantizationError", "Step", "Trace", "trace_steps"]

ArrayModule = (L1Conv2d | L1Linear | ShiftConv2d | ShiftLinear | PowerSumConv2d | PowerSumLinear | SignConv2d
               | SignLinear)
#: The layers that processing arrays compute.
ARRAYS = get_args(ArrayModule)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_INERT = (nn.Flatten, nn.Identity, nn.Dropout)

_ADDS: tuple[Callable, ...] = (operator.add, operator.iadd, torch.add)
_RELUS: dict[Callable | str, float] = {torch.relu: math.inf, functional.relu: math.inf, "relu": math.inf,
                                       functional.relu6: 6}
_FLATTENS: tuple[Callable | str, ...] = (torch.flatten, "flatten")

_SUPPORTED = (f"supported are {', '.join(kind.__name__ for kind in ARRAYS)}, directly followed by BatchNorm and ReLU "
              f"(or ReLU6, Hardtanh from 0) if wanted; MaxPool2d, AvgPool2d, AdaptiveAvgPool2d(1), Flatten, Dropout, "
              f"Identity; and residual sums a + b")
_HINTS = {
    nn.Conv2d: "; it multiplies: use L1Conv2d, ShiftConv2d, PowerSumConv2d or SignConv2d, or convert_",
    nn.Linear: "; it multiplies: use L1Linear, ShiftLinear, PowerSumLinear or SignLinear, or convert_",
}


class QuantizationError(NomulError):
    """A model that cannot be quantized."""


@dataclass
class Step:
    """One step of the network.

    Attributes
    ----------
    name : str
        Of the step and of the tensor that it makes: the path of its module, or the sum's name in the trace.
    inputs : tuple of str
        The tensors that it reads; "input" is the image.
    module : nn.Module, optional
        Array layer or pooling; None for a sum.
    nodes : list of fx.Node
        The operation and what is fused with it, in order; the last one's value is the step's tensor.
    norm : nn.Module, optional
        The batch norm that follows.
    relu : bool
        Whether a ReLU follows.
    limit : float
        What it limits values to, as ReLU6 does.
    """

    name: str
    inputs: tuple[str, ...]
    module: nn.Module | None
    nodes: list[fx.Node] = field(default_factory=list)
    norm: nn.BatchNorm1d | nn.BatchNorm2d | None = None
    relu: bool = False
    limit: float = math.inf

    @property
    def is_array(self) -> bool:
        """Whether it is a layer with weights."""
        return isinstance(self.module, ARRAYS)


class Trace(NamedTuple):
    """A traced model, its steps in order of execution, and the grids of the tensors that it rounds, by their names."""

    module: fx.GraphModule
    steps: list[Step]
    grids: dict[str, Tensor]


def trace_steps(model: nn.Module) -> Trace:
    """Traces `model` and finds its steps; the last one makes the logits.

    Raises
    ------
    QuantizationError
        For a module, function or arrangement that the hardware does not have, a module whose output nothing reads, or
        a parameter that is not finite; names the node.
    """
    if culprit := stored_culprit(model):
        raise QuantizationError(f"{culprit}; train the model again, with a lower learning rate")
    try:
        graph = _Tracer().trace(model)
    except Exception as error:
        raise QuantizationError(f"the model cannot be traced by torch.fx ({str(error).splitlines()[0]}): write its "
                                f"forward without conditions on tensors") from None
    traced = fx.GraphModule(model, graph)
    for node in traced.graph.nodes:
        if node.op == "call_module" and not node.users:
            raise QuantizationError(f"node {node.target!r}: nothing reads its output; leave it out of the forward")
    traced.graph.eliminate_dead_code()
    fusion = _Fusion(dict(model.named_modules()))
    return Trace(traced, fusion.run(traced.graph), fusion.grids)


class _Tracer(fx.Tracer):

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*ARRAYS, ActivationsOnGrid)) or super().is_leaf_module(m, module_qualified_name)


class _Fusion:
    """Walks over the trace: every node makes a step, extends one, or passes a tensor on."""

    def __init__(self, modules: dict[str, nn.Module]):
        self.modules = modules
        self.steps: dict[str, Step] = {}
        self.tensors: dict[fx.Node, str] = {}  # which tensor a node's value is
        self.grids: dict[str, Tensor] = {}
        self.used: set[nn.Module] = set()

    def run(self, graph: fx.Graph) -> list[Step]:
        for node in graph.nodes:
            if node.op == "placeholder":
                if self.tensors:
                    raise QuantizationError(f"node {node.name!r}: the model must have one input, the images")
                self.tensors[node] = "input"
            elif node.op == "call_module":
                self._module(node, self.modules[str(node.target)])
            elif node.op == "output":
                self._output(node)
            else:
                self._function(node)
        return list(self.steps.values())

    def _module(self, node: fx.Node, module: nn.Module) -> None:
        if isinstance(module, (*ARRAYS, *_NORMS)):
            if module in self.used:
                raise QuantizationError(f"node {node.target!r}: the layer is called twice; give each call its own")
            self.used.add(module)
        if isinstance(module, (*ARRAYS, *_POOLS)):
            self._add_step(Step(str(node.target), (self._source(node),), module, [node]))
        elif isinstance(module, _NORMS):
            step = self._extended(node, "batch norm")
            if not step.is_array or step.norm or step.relu:
                raise QuantizationError(f"node {node.target!r}: a batch norm must directly follow a layer with weights")
            if module.running_mean is None:
                raise QuantizationError(f"node {node.target!r}: the batch norm has no running statistics; "
                                        f"train it with track_running_stats=True")
            step.norm = module
        elif isinstance(module, nn.ReLU):
            self._relu(node)
        elif isinstance(module, nn.Hardtanh):
            if module.min_val != 0:
                raise QuantizationError(f"node {node.target!r}: a {type(module).__name__} must begin at 0, as a ReLU, "
                                        f"not at {module.min_val}")
            self._relu(node, module.max_val)
        elif isinstance(module, ActivationsOnGrid):
            self._pass_on(node)
            self.grids[self.tensors[node]] = module.grid
        elif isinstance(module, _INERT):
            self._pass_on(node)
        else:
            hint = next((hint for kind, hint in _HINTS.items() if isinstance(module, kind)), "")
            raise QuantizationError(f"node {node.target!r}: {type(module).__name__} is not supported{hint}; "
                                    f"{_SUPPORTED}")

    def _function(self, node: fx.Node) -> None:
        operands = [argument for argument in node.args if isinstance(argument, fx.Node)]
        if node.target in _ADDS and len(operands) == len(node.args) == 2 and not node.kwargs:
            self._add_step(Step(node.name, tuple(self.tensors[operand] for operand in operands), None, [node]))
        elif node.target in _RELUS:
            self._relu(node, _RELUS[node.target])
        elif node.target in _FLATTENS:
            self._pass_on(node)
        else:
            name = getattr(node.target, "__name__", node.target)
            raise QuantizationError(f"node {node.name!r}: {name} is not supported; {_SUPPORTED}")

    def _relu(self, node: fx.Node, limit: float = math.inf) -> None:
        step = self._extended(node, "ReLU")
        if isinstance(step.module, _POOLS):
            raise QuantizationError(f"node {node.name!r}: a ReLU must directly follow a layer, its batch norm or a "
                                    f"sum; put it before the pooling")
        step.relu, step.limit = True, min(step.limit, limit)

    def _output(self, node: fx.Node) -> None:
        last = list(self.steps.values())[-1:]
        result = self.tensors.get(node.args[0]) if isinstance(node.args[0], fx.Node) else None  # type: ignore
        if not last or result != last[0].name or not last[0].is_array:
            raise QuantizationError("the model must return the output of its last layer, which must be an L1, shift "
                                    "or sign layer (a batch norm may follow)")

    def _add_step(self, step: Step) -> None:
        self.steps[step.name] = step
        self.tensors[step.nodes[0]] = step.name

    def _source(self, node: fx.Node) -> str:
        return self.tensors[node.all_input_nodes[0]]

    def _extended(self, node: fx.Node, what: str) -> Step:
        """The step that `node` is fused with."""
        before = node.all_input_nodes[0]
        step = self.steps.get(self.tensors[before])
        if step is None or before is not step.nodes[-1]:
            raise QuantizationError(f"node {node.name!r}: a {what} must directly follow a layer or a sum")
        if len(before.users) > 1:
            raise QuantizationError(f"node {node.name!r}: the {what}'s input is used elsewhere too, so they cannot be "
                                    f"one step; use the {what}'s output there, or give the other path its own layer")
        step.nodes.append(node)
        self.tensors[node] = step.name
        return step

    def _pass_on(self, node: fx.Node) -> None:
        self.tensors[node] = self._source(node)
