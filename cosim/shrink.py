"""From a network that shows a difference to a small one that still does: fewer images, layers, channels and pixels."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from nomul.sw import reference
from nomul.sw.contract import LOGIT_LOWER, LOGIT_UPPER
from nomul.sw.network import Add, ArrayLayer, Concat, IntegerNetwork, Layer, NetworkError, Tensor, Upsample

__all__ = ["shrink", "smaller"]

Case = tuple[IntegerNetwork, np.ndarray]


def shrink(network: IntegerNetwork, codes: np.ndarray, fails: Callable[[IntegerNetwork, np.ndarray], bool],
           tries: int = 400) -> Case:
    """The smallest case that repeated steps of `smaller` lead to.

    Parameters
    ----------
    network : IntegerNetwork
        That fails.
    codes : np.ndarray
        uint8 input codes for which it does, shape (images, channels, height, width).
    fails : function of network and codes
        Whether a smaller case still fails; False for what cannot be compiled.
    tries : int
        Most calls of `fails`.
    """
    found = True
    while found:
        found = False
        for case in smaller(network, codes):
            if not tries:
                return network, codes
            tries -= 1
            if found := fails(*case):
                network, codes = case
                break
    return network, codes


def smaller(network: IntegerNetwork, codes: np.ndarray) -> Iterator[Case]:
    """Valid networks, with images, that are a step smaller; the largest steps first."""
    if len(codes) > 1:
        yield from ((network, codes[index:index + 1]) for index in range(len(codes)))
    for step in (_later_starts, _earlier_ends, _fewer_layers, _fewer_channels, _fewer_pixels):
        for case in step(network, codes):
            try:
                case[0].check()
            except NetworkError:
                continue
            yield case


def _later_starts(network: IntegerNetwork, codes: np.ndarray) -> Iterator[Case]:
    """With the output of a layer as input, so that the layers before it are gone."""
    values = reference.trace(network, codes)
    for index in reversed(range(len(network.layers) - 1)):
        start, layers = network.layers[index], network.layers[index + 1:]
        if {name for layer in layers for name in layer.inputs} <= {start.name, *(layer.name for layer in layers)}:
            yield replace(network, input=start.output, layers=tuple(_reading(layer, start.name, "input")
                                                                    for layer in layers)), values[start.name]


def _earlier_ends(network: IntegerNetwork, codes: np.ndarray) -> Iterator[Case]:
    """Without the last layers; one channel of one pixel becomes the logit."""
    for index, layer in enumerate(network.layers[:-2]):
        yield replace(network, layers=(*network.layers[:index + 1], _logit(network, layer))), codes


def _logit(network: IntegerNetwork, layer: Layer) -> ArrayLayer:
    last, shape = network.layers[-1], layer.output
    assert isinstance(last, ArrayLayer)
    return ArrayLayer("logit", layer.name, last.operator, np.ones((1, shape.channels, 1, 1), np.int16),
                      np.zeros(1, np.int64), np.ones(1, np.int32), 1, max(shape.height, shape.width), 0, LOGIT_LOWER,
                      LOGIT_UPPER, Tensor(1, 1, 1))


def _fewer_layers(network: IntegerNetwork, codes: np.ndarray) -> Iterator[Case]:
    """Without one layer whose output has its input's shape and grid."""
    for index, layer in enumerate(network.layers[:-1]):
        rest = [*network.layers[:index], *network.layers[index + 1:]]
        for name in layer.inputs:
            source = network.tensors[name]
            if source.shape == layer.output.shape and source.same_grid(layer.output):
                yield replace(network, layers=tuple(_reading(other, layer.name, name) for other in rest)), codes


def _reading(layer: Layer, old: str, new: str) -> Layer:
    """The layer, with another tensor in the place of one that it read."""
    inputs = tuple(new if name == old else name for name in layer.inputs)
    if isinstance(layer, Add):
        return replace(layer, inputs=(inputs[0], inputs[1]))
    return replace(layer, inputs=inputs) if isinstance(layer, Concat) else replace(layer, input=inputs[0])


def _fewer_channels(network: IntegerNetwork, codes: np.ndarray) -> Iterator[Case]:
    families = _families(network)
    frozen = {families[name] for layer in network.layers if isinstance(layer, Concat) or _is_grouped(layer)
              for name in (layer.name, *layer.inputs)}
    for family in dict.fromkeys(families.values()):
        if family in frozen:
            continue
        count = next(tensor.channels for name, tensor in network.tensors.items() if families[name] == family)
        for kept in (np.arange(count // 2), np.arange(count // 2, count), np.arange(1, count), np.arange(count - 1)):
            if 0 < len(kept) < count:
                yield _cut(network, codes, {name: kept for name in families if families[name] == family},
                           network.input.height, network.input.width)


def _is_grouped(layer: Layer) -> bool:
    return isinstance(layer, ArrayLayer) and layer.groups > 1


def _families(network: IntegerNetwork) -> dict[str, int]:
    """A number for each tensor; the same for those that must have the same channels."""
    families = {"input": 0}
    for number, layer in enumerate(network.layers, start=1):
        if isinstance(layer, ArrayLayer | Concat):
            families[layer.name] = number
            continue
        first, *others = (families[name] for name in layer.inputs)
        families = {name: first if family in others else family for name, family in families.items()}
        families[layer.name] = first
    return families


def _fewer_pixels(network: IntegerNetwork, codes: np.ndarray) -> Iterator[Case]:
    height, width = network.input.height, network.input.width
    for rows, columns in ((height // 2, width // 2), (height // 2, width), (height, width // 2),
                          (height - 1, width), (height, width - 1)):
        if rows and columns and (rows, columns) != (height, width):
            yield _cut(network, codes, {}, rows, columns)


def _cut(network: IntegerNetwork, codes: np.ndarray, channels: dict[str, np.ndarray], rows: int,
         columns: int) -> Case:
    """The network with only some channels of some tensors, and a smaller image."""
    kept = {name: channels.get(name, np.arange(tensor.channels)) for name, tensor in network.tensors.items()}
    image = Tensor(len(kept["input"]), rows, columns, network.input.zero_point, network.input.exponent)
    layers: list[Layer] = []
    tensors = {"input": image}
    for layer in network.layers:
        source, outputs = tensors[layer.inputs[0]], kept[layer.name]
        height, width = source.height, source.width
        if isinstance(layer, ArrayLayer):
            if layer.groups == 1:
                layer = _cut_array(layer, source, kept[layer.input], outputs, last=layer is network.layers[-1])
            height, width = layer.geometry.output_size((height, width), layer.weight.shape[2:])
        elif isinstance(layer, Upsample):
            height, width = 2 * height, 2 * width
        elif not isinstance(layer, Add | Concat):
            height, width = layer.geometry.output_size((height, width), layer.kernel)
        layers.append(replace(layer, output=replace(layer.output, channels=len(outputs), height=height, width=width)))
        tensors[layer.name] = layers[-1].output
    return replace(network, input=image, layers=tuple(layers)), codes[:, kept["input"], :rows, :columns]


def _cut_array(layer: ArrayLayer, source: Tensor, inputs: np.ndarray, outputs: np.ndarray, *, last: bool) -> ArrayLayer:
    channels, _, height, width = layer.weight.shape
    weight = layer.weight.reshape(channels, layer.terms, -1, height, width)[outputs][:, :, inputs]
    if last:    # whose kernel is as large as its map
        weight = weight[..., :source.height, :source.width]
    return replace(layer, weight=weight.reshape(len(outputs), layer.terms * len(inputs), *weight.shape[3:]),
                   bias=layer.bias[outputs], multiplier=layer.multiplier[outputs])
