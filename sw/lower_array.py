"""Array layers: descriptor, weight words in order of consumption, parameter words."""

from typing import NamedTuple

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import (
    Operator,
    WeightError,
    encode,
    fold,
    foreign_weights,
    own_lane_constant,
    pad_weight,
)
from nomul.gen.spec.program import MULTIPLIER_BITS, Destination, Opcode, used_columns
from nomul.gen.spec.registers import Region, word_bytes
from nomul.sw import contract
from nomul.sw.cycles import best_block
from nomul.sw.lane_plan import LanePlan, plan_lanes
from nomul.sw.lower_window import Place, address, window_fields
from nomul.sw.network import ArrayLayer, Tensor

__all__ = ["LoweredArray", "lower_array"]


class LoweredArray(NamedTuple):
    """Descriptor fields (without `weight_base` and `parameter_base`), and words (uint8, shape (words, bytes))."""

    descriptor: dict[str, int]
    weights: np.ndarray
    parameters: np.ndarray


def lower_array(layer: ArrayLayer, source: Tensor, placed: Place, target: Place | None, config: Config) -> LoweredArray:
    """One ARRAY descriptor and its words.

    Parameters
    ----------
    layer : ArrayLayer
        With an operator of `config`.
    source : Tensor
        The tensor that it reads, which lies at `placed`.
    target : Place or None
        Where the output goes; None means the results.

    Raises
    ------
    WeightError
        If a weight has no code in this configuration.
    """
    channels, _, height, width = layer.weight.shape
    groups = -(-channels // config.columns)
    lane_plan = plan_lanes(layer, placed["segments"], config)
    terms, pitch, words = layer.terms * (1 + lane_plan.twice), placed["channel_words"], lane_plan.words
    down, across = layer.geometry.dilation
    descriptor = {
        **window_fields(source, placed, (height, width), layer.geometry, layer.output),
        "opcode": Opcode.ARRAY, "operator": layer.operator, "channels": channels, "groups": groups,
        "together": lane_plan.together if layer.groups > 1 else groups,
        "tiles": terms * height * width * words, "terms": terms, "channel_words": words,
        "own_lane": lane_plan.own_lane,
        "dilation_y": down if height > 1 else 1, "dilation_x": across if width > 1 else 1,
        "tap_step": address(across * pitch - (words - 1)),
        "tap_row_step": address((down * source.width - (width - 1) * across) * pitch - (words - 1)),
        "shift": layer.shift + lane_plan.twice, "zero_point": layer.output.zero_point,
        "lower": layer.lower, "upper": layer.upper,
    }
    if descriptor["shift"] > contract.MAX_SHIFT:
        raise WeightError(f"lanes that hold other groups' channels need a requantization shift of at most "
                          f"{contract.MAX_SHIFT - 1}, not {layer.shift}")
    if target is None:
        descriptor |= {"destination": Destination.RESULTS}
    else:
        descriptor |= {"destination": Destination.ACTIVATIONS, "output_base": target["base"],
                       "output_pixel_step": target["channel_words"]}
    weight = _all_weights(layer, source, groups * config.columns, lane_plan, config)
    descriptor["block"] = best_block(descriptor, config)
    return LoweredArray(descriptor, _weight_words(layer.operator, weight, channels, config),
                        _parameter_words(layer, weight, source.zero_point, lane_plan, config))


def _all_weights(layer: ArrayLayer, source: Tensor, columns: int, lane_plan: LanePlan, config: Config) -> np.ndarray:
    """Every weight that the array sees, shape (columns, terms, height, width, lanes): unused ones are pad weights."""
    encode(layer.operator, layer.weight, config)  # says which weight of the layer is out of range, before padding
    pad = pad_weight(layer.operator, source.zero_point, config)
    channels, _, height, width = layer.weight.shape
    if lane_plan.twice:
        pads = foreign_weights(layer.operator, config) * layer.terms
    elif lane_plan.own_lane:
        pads = foreign_weights(layer.operator, config)[:1] * layer.terms
    elif layer.operator is Operator.L1 and pad >= 1 << config.l1_weight_bits:
        raise WeightError(f"unused lanes need the zero point {pad} of tensor {layer.input!r} as weight, above the "
                          f"largest l1 weight {(1 << config.l1_weight_bits) - 1}; raise l1_weight_bits")
    else:
        pads = (pad,) * layer.terms
    weight = np.empty((columns, len(pads), height, width, lane_plan.own.shape[1]), dtype=np.int64)
    weight[:] = np.array(pads)[:, None, None, None]
    own = layer.weight.reshape(channels, layer.terms, -1, height, width).repeat(1 + lane_plan.twice, axis=1)
    # Lanes first: as many are a channel's own in every row of the mask.
    weight[:channels].transpose(0, 4, 1, 2, 3)[lane_plan.own] = \
        own.transpose(0, 2, 1, 3, 4).reshape(-1, len(pads), height, width)
    return weight


def _weight_words(operator: Operator, weight: np.ndarray, channels: int, config: Config) -> np.ndarray:
    """Words in the order group, tile, column, where that has a channel; lane 0 in the low bits."""
    codes = encode(operator, weight, config).reshape(-1, config.columns, weight[0].size // config.lanes, config.lanes)
    words = np.concatenate([group[:used_columns(channels, number, config.columns)].transpose(1, 0, 2)
                            .reshape(-1, config.lanes) for number, group in enumerate(codes)])
    bits = words[:, :, None] >> np.arange(config.weight_bits, dtype=words.dtype) & 1
    return np.packbits(bits.astype(np.uint8).reshape(len(words), -1), axis=1, bitorder="little")


def _parameter_words(layer: ArrayLayer, weight: np.ndarray, zero_point: int, lane_plan: LanePlan,
                     config: Config) -> np.ndarray:
    """One word a column, from bit 0: bias with fold (two's complement), magnitude of M (16), sign of M (1).

    The bias makes up for what unused and foreign lanes add, which is not 0 where no weight makes it so. Columns without
    a channel have bias and M 0, so that they give the zero point.
    """
    channels = len(layer.bias)
    lanes = weight[0].size - (1 + lane_plan.twice) * layer.weight[0].size   # neither own nor with a weight of the layer
    if lane_plan.twice:
        unused = lanes // 2 * int(contract.op(layer.operator, 0, foreign_weights(layer.operator, config)).sum())
    elif lane_plan.own_lane:
        unused = lanes * own_lane_constant(layer.operator, config)
    else:
        unused = lanes * int(contract.op(layer.operator, zero_point, pad_weight(layer.operator, zero_point, config)))
    bias = layer.bias * (1 + lane_plan.twice) + fold(layer.operator, weight[:channels], config) - unused
    multiplier = layer.multiplier.astype(np.int64)
    scale = np.abs(multiplier) | (multiplier < 0).astype(np.int64) << MULTIPLIER_BITS
    words = np.zeros(len(weight), dtype="<u8")
    words[:channels] = bias & (1 << config.accumulator_bits) - 1 | scale << config.accumulator_bits
    return words.view(np.uint8).reshape(-1, 8)[:, :word_bytes(Region.PARAMETERS, config)].copy()
