"""How short a compiled network's weights become under a Huffman code, layer by layer."""

from dataclasses import dataclass

import numpy as np

from nomul.gen.spec.program import Opcode
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.huffman import coded_bytes, encode, entropy

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
    coded_bytes : int
        Its section of the coded stream, table included.
    streamed : bool
        Whether the weights are sent for each image instead, as they are.
    """

    name: str
    weights: int
    weight_bits: int
    entropy: float
    coded_bytes: int
    streamed: bool

    @property
    def coded_bits(self) -> float:
        """Bits a weight in the coded stream, the layer's table included."""
        return 8 * self.coded_bytes / self.weights


def layer_weights(compiled: CompiledNetwork) -> dict[str, np.ndarray]:
    """Weight codes of each array layer, as its words have them: (words, lanes)."""
    config = compiled.config
    codes = {}
    for name, layer, words in zip(compiled.steps, compiled.descriptors()[:-1], compiled.step_weights(), strict=True):
        if layer["opcode"] == Opcode.ARRAY:
            bits = np.unpackbits(words, axis=1, bitorder="little")[:, :config.weight_word_bits]
            codes[name] = bits.reshape(-1, config.lanes, config.weight_bits) @ (1 << np.arange(config.weight_bits))
    return codes


def code_weights(compiled: CompiledNetwork) -> list[LayerCoding]:
    """Each array layer's weights, coded with a table of their own."""
    streamed = _streamed(compiled)
    return [LayerCoding(name, codes.size, compiled.config.weight_bits, entropy(codes), coded_bytes(codes),
                        name in streamed)
            for name, codes in layer_weights(compiled).items()]


def coded_stream(compiled: CompiledNetwork) -> bytes:
    """The weights that stay in the weight memory, as `Region.CODED_WEIGHTS` takes them."""
    streamed = _streamed(compiled)
    return b"".join(encode(codes) for name, codes in layer_weights(compiled).items() if name not in streamed)


def _streamed(compiled: CompiledNetwork) -> set[str]:
    return {name for name, layer in zip(compiled.steps, compiled.descriptors()[:-1], strict=True) if layer["streamed"]}
