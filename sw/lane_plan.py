"""Which channel words each group of array columns reads, and which lanes of them count.

A column adds up all lanes of the words that it is given. In a grouped or depthwise convolution an output channel sees
only some channels: so a group of columns reads only the words of its own channels, and where these hold others' too, a
lane that is not a column's own must add nothing.
- SHIFT, and SIGN with a weight 0: the weight is 0.
- L1, and SIGN whose weights are only 1 and -1: everything is read twice. A lane's own weight is the same both times;
  a foreign lane has first the largest weight, then the smallest: ``-|x - T| - |x - 0| = -T`` and ``x - x = 0``, which
  no longer depend on x. The sum is twice what it should be, and requantization shifts by one more.
- The same in a depthwise layer where column n's own lane is n, with the configuration's `depthwise_l1`: everything is
  read once, and the array leaves out what depends on x in foreign lanes (`nomul.gen.spec.operators`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator, WeightError
from nomul.sw.lower_window import lanes_of, words_of
from nomul.sw.network import ArrayLayer

__all__ = ["LanePlan", "plan_lanes"]


class LanePlan(NamedTuple):
    """How the groups of columns of a layer read its input.

    Attributes
    ----------
    own : np.ndarray
        bool, shape (outputs, words · lanes): the lanes that hold each output channel's own inputs.
    words : int
        Channel words that a group reads of every tap.
    together : int
        Groups that read the same words, before the next ones read the next words.
    twice : bool
        Whether foreign lanes take a second term each.
    own_lane : bool
        Whether the array leaves them out.
    """

    own: np.ndarray
    words: int
    together: int
    twice: bool
    own_lane: bool


def plan_lanes(layer: ArrayLayer, segments: Sequence[int], config: Config) -> LanePlan:
    """The plan with the fewest words.

    Parameters
    ----------
    segments : sequence of int
        Of the input's channels, as `nomul.sw.lower_window.place` has them.

    Raises
    ------
    WeightError
        If foreign lanes would need a weight that the configuration has not.
    """
    outputs, words = len(layer.weight), words_of(segments, config.lanes)
    groups = -(-outputs // config.columns)
    by_group = lanes_of(segments, config.lanes).reshape(layer.groups, -1)
    positions = by_group[np.arange(outputs) * layer.groups // outputs]     # of each output's own inputs
    firsts = np.arange(groups) * config.columns
    lowest = np.minimum.reduceat(positions[:, 0], firsts) // config.lanes
    highest = np.maximum.reduceat(positions[:, -1], firsts) // config.lanes
    size, together = next((size, together) for size in range(1, words + 1)
                          if (together := _together(lowest, highest, size, words)))
    starts = np.arange(outputs) // config.columns // together * size * config.lanes
    own = np.zeros((outputs, size * config.lanes), bool)
    np.put_along_axis(own, positions - starts[:, None], True, axis=1)
    twice = _has_foreign(layer, segments, own, starts, config.lanes) and _twice(layer, config)
    own_lane = twice and config.depthwise_l1 and size == 1 and np.array_equal(
        own, np.eye(config.lanes, dtype=bool)[np.arange(outputs) % config.lanes])
    return LanePlan(own, size, together, twice and not own_lane, own_lane)


def _together(lowest: np.ndarray, highest: np.ndarray, size: int, words: int) -> int:
    """How many groups share each `size` words, if all can work so; else 0."""
    parts = lowest // size
    together = int((parts == 0).sum())
    fits = together and (parts == highest // size).all() and (parts == np.arange(len(parts)) // together).all()
    # No group may read beyond the pixel: what lies there changes.
    return together if fits and (parts[-1] + 1) * size <= words else 0


def _has_foreign(layer: ArrayLayer, segments: Sequence[int], own: np.ndarray, starts: np.ndarray, lanes: int) -> bool:
    """Whether any output sees a channel that is not its own."""
    used = np.zeros(words_of(segments, lanes) * lanes, bool)
    used[lanes_of(segments, lanes)] = True
    return layer.groups > 1 and bool((used[starts[:, None] + np.arange(own.shape[1])] & ~own).any())


def _twice(layer: ArrayLayer, config: Config) -> bool:
    if layer.operator is Operator.L1 and config.l1_weight_bits < config.activation_bits:
        raise WeightError(f"channels of several groups share words, which takes l1 weights as wide as activations: "
                          f"raise l1_weight_bits from {config.l1_weight_bits} to {config.activation_bits}")
    return layer.operator is Operator.L1 or (layer.operator is Operator.SIGN and config.unified)
