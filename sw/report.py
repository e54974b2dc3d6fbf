"""What a network costs on an accelerator, layer by layer: operations, cycles, use of the array, memory traffic."""

import math
from dataclasses import dataclass
from typing import Any

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import Opcode
from nomul.sw.coded_weights import LayerCoding, code_weights
from nomul.sw.compile import compile_network
from nomul.sw.compiled import CompiledNetwork, weight_words
from nomul.sw.cycles import LayerCycles, predict
from nomul.sw.lower_window import Place
from nomul.sw.network import ArrayLayer, IntegerNetwork, Layer

__all__ = ["LayerReport", "Report", "report", "report_compiled"]


@dataclass(frozen=True)
class LayerReport:
    """One layer, for one image.

    Attributes
    ----------
    name, kind : str
        The layer; "l1", "shift", "sign" or what kind of pooling, sum or copy it is.
    output : str
        Channels × height × width.
    operations : int
        Weights times outputs that each is used for; 0 without weights.
    cycles : LayerCycles
        What it takes.
    utilization : float
        Operations by those that the array could do in these cycles, 0 to 1.
    weight_bits, weight_bits_read : int
        Unused lanes and columns included; and those that are read in the weight memory, each once for every block of
        output pixels.
    entropy_bits, coded_bits : int
        As few as a code for single weights could have; and those of the Huffman code, the layer's table included.
    streamed : bool
        Whether the weights are sent for each image, because they do not fit into the weight memory.
    bits_read, bits_written : int
        Of the activation memory.
    """

    name: str
    kind: str
    output: str
    operations: int
    cycles: LayerCycles
    utilization: float
    weight_bits: int
    weight_bits_read: int
    entropy_bits: int
    coded_bits: int
    streamed: bool
    bits_read: int
    bits_written: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; `cycles` is a dictionary with their `total`."""
        return {**vars(self), "cycles": {**vars(self.cycles), "total": self.cycles.total}}


@dataclass(frozen=True)
class Report:
    """All layers, for one image.

    Attributes
    ----------
    network : str
        Its name.
    config : Config
        The accelerator.
    layers : list of LayerReport
        In order.
    end_cycles : int
        To read that the program has ended.
    """

    network: str
    config: Config
    layers: list[LayerReport]
    end_cycles: int

    @property
    def cycles(self) -> int:
        """Of an image: what the register CYCLES shows."""
        return sum(layer.cycles.total for layer in self.layers) + self.end_cycles

    @property
    def operations(self) -> int:
        """Of an image."""
        return sum(layer.operations for layer in self.layers)

    def total(self, figure: str) -> int:
        """The sum of a figure of all layers, such as "weight_bits"."""
        return sum(getattr(layer, figure) for layer in self.layers)

    @property
    def streamed_bits(self) -> int:
        """Weights that are sent for each image."""
        return sum(layer.weight_bits for layer in self.layers if layer.streamed)

    @property
    def utilization(self) -> float:
        """Of the array, 0 to 1."""
        return self.operations / (self.cycles * self.config.lanes * self.config.columns)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {"network": self.network, "config": self.config.to_dict(), "operations": self.operations,
                "cycles": self.cycles, "utilization": self.utilization,
                **{figure: self.total(figure) for figure in ("weight_bits", "entropy_bits", "coded_bits")},
                "streamed_bits": self.streamed_bits,
                "layers": [layer.to_dict() for layer in self.layers]}


def report(network: IntegerNetwork, config: Config) -> Report:
    """Compiles a network and counts.

    Raises
    ------
    CompileError
        If the configuration cannot run it.
    NetworkError
        If the network breaks the integer contract.
    """
    return report_compiled(network, compile_network(network, config))


def report_compiled(network: IntegerNetwork, compiled: CompiledNetwork) -> Report:
    """Counts what `compiled`, which is `network`, takes."""
    *cycles, end = predict(compiled)
    work: dict[str, list[tuple[LayerCycles, dict[str, int]]]] = {}
    for name, *step in zip(compiled.steps, zip(cycles, compiled.descriptors()[:-1], strict=True), strict=True):
        work.setdefault(name, []).extend(step)
    known = {layer.name: layer for layer in network.layers}
    coding = {layer.name: layer for layer in code_weights(compiled)}
    layers = [_layer(name, known.get(name), steps, coding.get(name), compiled) for name, steps in work.items()]
    return Report(network.name, compiled.config, layers, end.total)


def _layer(name: str, layer: Layer | None, steps: list[tuple[LayerCycles, dict[str, int]]],
           coding: LayerCoding | None, compiled: CompiledNetwork) -> LayerReport:
    config, operations, words_stored, words_read = compiled.config, 0, 0, 0
    kind, place = layer.kind if layer else "copy", compiled.tensors.get(name)
    cycles = sum((cycles for cycles, _ in steps), LayerCycles(0, 0, 0, 0, 0))
    if isinstance(layer, ArrayLayer):
        operations = layer.weight.size * layer.output.height * layer.output.width
        kind = layer.operator.key
    for _, descriptor in steps:
        if descriptor["opcode"] == Opcode.ARRAY:
            words = weight_words(descriptor, config)
            words_stored += words
            words_read += words * -(-descriptor["output_pixels"] // descriptor["block"])
    shape = [place[key] for key in ("channels", "height", "width")] if place else [compiled.classes, 1, 1]
    return LayerReport(name, kind, "×".join(map(str, shape)), operations, cycles,
                       operations / (cycles.total * config.lanes * config.columns),
                       words_stored * config.weight_word_bits, words_read * config.weight_word_bits,
                       math.ceil(coding.weights * coding.entropy) if coding else 0,
                       8 * coding.coded_bytes if coding else 0, coding.streamed if coding else False,
                       cycles.busy * config.activation_word_bits, _words(place, config))


def _words(place: Place | None, config: Config) -> int:
    """Bits that a tensor takes; 0 for the logits, which are no activations."""
    if place is None:
        return 0
    return place["height"] * place["width"] * place["channel_words"] * config.activation_word_bits
