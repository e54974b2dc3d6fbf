"""From a quantized model to the integer network that compiler and golden model take."""

from torch import fx, nn

from nomul.sw.network import IntegerNetwork
from nomul.sw.quantized import (
    QuantizedAdd,
    QuantizedArray,
    QuantizedConcat,
    QuantizedInput,
    QuantizedPool,
    QuantizedUpsample,
)
from nomul.sw.steps import QuantizationError

__all__ = ["convert"]


def convert(model: nn.Module, name: str) -> IntegerNetwork:
    """The integers of a model that `quantize_` has quantized, checked.

    Parameters
    ----------
    model : nn.Module
        Quantized.
    name : str
        What the network is to be called.

    Raises
    ------
    QuantizationError
        If the model is not quantized.
    NetworkError
        If the result breaks a rule of the integer contract; names layer and rule.
    """
    graph = getattr(model, "quantized_graph", None)
    if not isinstance(graph, fx.Graph):
        raise QuantizationError("the model is not quantized: call quantize_(model, calibration_images, config) first")
    modules = [model.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"]
    source = next(module for module in modules if isinstance(module, QuantizedInput))
    layers = tuple(module.layer for module in modules
                   if isinstance(module, QuantizedArray | QuantizedPool | QuantizedAdd | QuantizedConcat
                                 | QuantizedUpsample))
    network = IntegerNetwork(name, source.largest.bit_length(), source.grid, layers, {})
    network.check()
    return network
