"""How short a compiled network's weights become under a Huffman code, layer by layer."""

from dataclasses import dataclass

import numpy as np

from nomul.gen.spec.program import Opcode
from nomul.sw.compiled import CompiledNetwork, weight_words
from nomul.sw.huffman import encode, entropy

__all__ = ["LayerCoding", "code_weights", "coded_stream", "layer_weights"]


@dataclass(frozen=True)
class LayerCoding:
    """One array layer's weights, unused lanes included.

    Attributes
    ----------
    name : str
        The layer.
    weights : int
        How many there are.
    weight_bits : int
        Bits that each takes in the weight memory.
    entropy : float
        Bits a weight that no code for single weights can go below.
    coded : bytes
        The section of the coded stream, table included.
    """

    name: str
    weights: int
    weight_bits: int
    entropy: float
    coded: bytes

    @property
    def coded_bits(self) -> float:
        """Bits a weight in the coded stream, the layer's table included."""
        return 8 * len(self.coded) / self.weights


def layer_weights(compiled: CompiledNetwork) -> dict[str, np.ndarray]:
    """Weight codes of each array layer as they lie in the weight memory: (words, lanes)."""
    config = compiled.config
    bits = np.unpackbits(compiled.weights, axis=1, bitorder="little")[:, :config.weight_word_bits]
    codes = bits.reshape(-1, config.lanes, config.weight_bits) @ (1 << np.arange(config.weight_bits))
    return {name: codes[layer["weight_base"]:layer["weight_base"] + weight_words(layer, config)]
            for name, layer in zip(compiled.steps, compiled.descriptors()[:-1], strict=True)
            if layer["opcode"] == Opcode.ARRAY}


def code_weights(compiled: CompiledNetwork) -> list[LayerCoding]:
    """Each array layer's weights, coded with a table of their own; all sections in order are the whole memory."""
    return [LayerCoding(name, codes.size, compiled.config.weight_bits, entropy(codes), encode(codes))
            for name, codes in layer_weights(compiled).items()]


def coded_stream(compiled: CompiledNetwork) -> bytes:
    """All weights as `Region.CODED_WEIGHTS` takes them."""
    return b"".join(layer.coded for layer in code_weights(compiled))
