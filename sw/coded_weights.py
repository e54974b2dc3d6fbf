"""How short a compiled network's weights become under a Huffman code, layer by layer."""

from dataclasses import dataclass

import numpy as np

from nomul.gen.spec.program import Opcode
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.huffman import encode, entropy

__all__ = ["LayerCoding", "code_weights", "layer_weights"]


@dataclass(frozen=True)
class LayerCoding:
    """One array layer's weights, unused lanes and columns included.

    Attributes
    ----------
    weights : int
        How many there are.
    weight_bits : int
        Bits that each takes in the weight memory.
    entropy : float
        Bits a weight that no code for single weights can go below.
    coded : bytes
        The section of the coded stream, table included.
    """

    weights: int
    weight_bits: int
    entropy: float
    coded: bytes

    @property
    def coded_bits(self) -> float:
        """Bits a weight in the coded stream, the layer's table included."""
        return 8 * len(self.coded) / self.weights


def layer_weights(compiled: CompiledNetwork) -> list[np.ndarray]:
    """Weight codes of each array layer as they lie in the weight memory: (words, lanes)."""
    config = compiled.config
    bits = np.unpackbits(compiled.weights, axis=1, bitorder="little")[:, :config.weight_word_bits]
    codes = bits.reshape(-1, config.lanes, config.weight_bits) @ (1 << np.arange(config.weight_bits))
    layers = [layer for layer in compiled.descriptors() if layer["opcode"] == Opcode.ARRAY]
    sizes = [layer["groups"] * layer["tiles"] * config.columns for layer in layers]
    return [codes[layer["weight_base"]:layer["weight_base"] + size]
            for layer, size in zip(layers, sizes, strict=True)]


def code_weights(compiled: CompiledNetwork) -> list[LayerCoding]:
    """Each array layer's weights, coded with a table of their own; all sections in order are the whole memory."""
    return [LayerCoding(codes.size, compiled.config.weight_bits, entropy(codes), encode(codes))
            for codes in layer_weights(compiled)]
