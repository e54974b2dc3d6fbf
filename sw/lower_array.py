"""Array layers: descriptor, weight words in order of consumption, parameter words."""

from typing import NamedTuple

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator, WeightError, encode, fold, pad_weight
from nomul.gen.spec.program import MULTIPLIER_BITS, Destination, Opcode
from nomul.gen.spec.registers import Region, word_bytes
from nomul.sw.cycles import best_block
from nomul.sw.lower_window import address, window_fields
from nomul.sw.network import ArrayLayer, Tensor

__all__ = ["LoweredArray", "lower_array"]


class LoweredArray(NamedTuple):
    """Descriptor fields (without `weight_base` and `parameter_base`), and words (uint8, shape (words, bytes))."""

    descriptor: dict[str, int]
    weights: np.ndarray
    parameters: np.ndarray


def lower_array(layer: ArrayLayer, source: Tensor, placed: dict[str, int], target: dict[str, int] | None,
                config: Config) -> LoweredArray:
    """One ARRAY descriptor and its words.

    Parameters
    ----------
    layer : ArrayLayer
        With an operator of `config`.
    source : Tensor
        The tensor that it reads, which lies at `placed`.
    target : dict or None
        Where the output goes; None means the results.

    Raises
    ------
    WeightError
        If a weight has no code in this configuration.
    """
    channels, _, height, width = layer.weight.shape
    # Groups cover every lane of the outputs' last word, so that unused lanes are written too.
    lanes = channels if target is None else target["channel_words"] * config.lanes
    groups = -(-lanes // config.columns)
    words = placed["channel_words"]
    descriptor = {
        **window_fields(source, placed, (height, width), layer.stride, layer.padding, layer.output),
        "opcode": Opcode.ARRAY, "operator": layer.operator, "groups": groups,
        "tiles": layer.terms * height * width * words, "terms": layer.terms,
        "tap_row_step": address((source.width - width) * words + 1),
        "shift": layer.shift, "zero_point": layer.output.zero_point, "lower": layer.lower, "upper": layer.upper,
    }
    if target is None:
        descriptor |= {"destination": Destination.RESULTS, "results": channels}
    else:
        descriptor |= {"destination": Destination.ACTIVATIONS, "output_base": target["base"],
                       "output_pixel_step": target["channel_words"]}
    weight = _all_weights(layer, source, groups * config.columns, words * config.lanes, config)
    descriptor["block"] = best_block(descriptor, config)
    return LoweredArray(descriptor, _weight_words(layer.operator, weight, groups, config),
                        _parameter_words(layer, weight, source.zero_point, config))


def _all_weights(layer: ArrayLayer, source: Tensor, columns: int, lanes: int, config: Config) -> np.ndarray:
    """Every weight that the array sees, shape (columns, terms, height, width, lanes): unused ones are pad weights."""
    encode(layer.operator, layer.weight, config)  # says which weight of the layer is out of range, before padding
    pad = pad_weight(layer.operator, source.zero_point, config)
    if layer.operator is Operator.L1 and pad >= 1 << config.l1_weight_bits:
        raise WeightError(f"unused lanes need the zero point {pad} of tensor {layer.input!r} as weight, above the "
                          f"largest l1 weight {(1 << config.l1_weight_bits) - 1}; raise l1_weight_bits")
    channels, _, height, width = layer.weight.shape
    weight = np.full((columns, layer.terms, height, width, lanes), pad, dtype=np.int64)
    own = layer.weight.reshape(channels, layer.terms, source.channels, height, width)
    weight[:channels, ..., :source.channels] = own.transpose(0, 1, 3, 4, 2)
    return weight


def _weight_words(operator: Operator, weight: np.ndarray, groups: int, config: Config) -> np.ndarray:
    """Words in the order group, tile, column; lane 0 in the low bits."""
    codes = encode(operator, weight, config).reshape(groups, config.columns, -1, config.lanes)
    words = codes.transpose(0, 2, 1, 3).reshape(-1, config.lanes)
    bits = words[:, :, None] >> np.arange(config.weight_bits, dtype=words.dtype) & 1
    return np.packbits(bits.astype(np.uint8).reshape(len(words), -1), axis=1, bitorder="little")


def _parameter_words(layer: ArrayLayer, weight: np.ndarray, zero_point: int, config: Config) -> np.ndarray:
    """One word a column, from bit 0: bias with fold (two's complement), magnitude of M (16), sign of M (1).

    The bias makes up for what unused lanes add: with unified processing elements, where no weight is 0, it is not 0.

    Columns without a channel have bias and M 0, so that they give the zero point.
    """
    channels = len(layer.bias)
    unused = 0
    if layer.operator is not Operator.L1:
        lanes = weight[0].size - layer.weight[0].size
        unused = lanes * zero_point * pad_weight(layer.operator, zero_point, config)
    bias = (layer.bias + fold(layer.operator, weight[:channels], config) - unused) & (1 << config.accumulator_bits) - 1
    multiplier = layer.multiplier.astype(np.int64)
    scale = np.abs(multiplier) | (multiplier < 0).astype(np.int64) << MULTIPLIER_BITS
    words = np.zeros(len(weight), dtype="<u8")
    words[:channels] = bias | scale << config.accumulator_bits
    return words.view(np.uint8).reshape(-1, 8)[:, :word_bytes(Region.PARAMETERS, config)].copy()
