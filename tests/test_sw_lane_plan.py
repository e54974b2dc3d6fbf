import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nomul.cosim.random_layer import random_array_layer
from nomul.gen.spec.operators import Operator, WeightError
from nomul.sw.lane_plan import plan_lanes
from nomul.sw.lower_window import lanes_of, words_of
from nomul.sw.network import Tensor

from .hardware import small_config


def layer_of(inputs, outputs, groups, operator=Operator.L1, config=None):
    return random_array_layer(np.random.default_rng(0), config or small_config(), "conv", Tensor(inputs, 3, 3), "input",
                              operator=operator, channels=outputs, kernel=(1, 1), stride=1, padding=0, terms=1,
                              dilation=1, groups=groups)


@pytest.mark.parametrize(("inputs", "outputs", "groups", "lanes", "columns", "words", "together", "twice"), [
    (24, 24, 24, 16, 16, 1, 1, True),       # depthwise: a group of columns for each word
    (24, 24, 24, 16, 8, 1, 2, True),        # two groups for each word
    (32, 32, 32, 8, 16, 2, 1, True),        # two words for each group
    (40, 40, 40, 16, 32, 3, 2, True),       # the fourth word that the second group would read is none of the tensor's
    (3, 3, 3, 4, 4, 1, 1, True),
    (8, 8, 2, 4, 4, 1, 1, False),           # each group of channels has its own words and columns
    (8, 16, 2, 4, 4, 1, 2, False),
    (8, 8, 4, 4, 4, 1, 1, True),            # two groups of channels share a word
    (6, 4, 2, 4, 4, 2, 1, True),            # the first group's three channels and the second's share words
    (6, 4, 1, 4, 4, 2, 1, False),           # no groups: all words, for all
    (2, 2, 2, 2, 2, 1, 1, True),
])
def test_words_by_hand(inputs, outputs, groups, lanes, columns, words, together, twice):
    config = small_config(lanes=lanes, columns=columns, frame_bytes=128, result_words=64)
    plan = plan_lanes(layer_of(inputs, outputs, groups), [inputs], config)
    assert (plan.words, plan.together, plan.twice) == (words, together, twice)


def test_weights_that_can_be_0_need_no_second_term():
    assert not plan_lanes(layer_of(8, 8, 8, Operator.SHIFT), [8], small_config()).twice
    assert not plan_lanes(layer_of(8, 8, 8, Operator.SIGN), [8], small_config()).twice
    unified = small_config(operators=("l1", "sign"), unified=True)
    assert plan_lanes(layer_of(8, 8, 8, Operator.SIGN, unified), [8], unified).twice


def test_l1_weights_narrower_than_activations_are_refused_where_words_are_shared():
    narrow = small_config(l1_weight_bits=4)
    assert not plan_lanes(layer_of(8, 8, 2), [8], narrow).twice
    with pytest.raises(WeightError, match="several groups share words, .* raise l1_weight_bits from 4 to 8"):
        plan_lanes(layer_of(8, 8, 4), [8], narrow)


@pytest.mark.parametrize(("inputs", "outputs", "groups", "own_lane"), [
    (8, 8, 8, True), (6, 6, 6, True), (3, 3, 3, True), (8, 16, 8, False), (8, 8, 4, False), (8, 4, 4, False)])
def test_depthwise_layers_leave_out_foreign_lanes_where_the_array_can(inputs, outputs, groups, own_lane):
    config = small_config(depthwise_l1=True)
    plan = plan_lanes(layer_of(inputs, outputs, groups), [inputs], config)
    assert (plan.own_lane, plan.twice) == (own_lane, not own_lane)


def test_channels_that_a_concatenation_moved_are_not_in_their_own_lanes():
    plan = plan_lanes(layer_of(6, 6, 6), [3, 3], small_config(depthwise_l1=True))
    assert (plan.own_lane, plan.twice) == (False, True)


@given(st.data())
def test_every_output_finds_its_own_channels_in_the_words_that_its_columns_read(data):
    lanes, columns = (data.draw(st.sampled_from([2, 4, 8, 16])) for _ in range(2))
    groups = data.draw(st.integers(1, 12))
    inputs, outputs = (groups * data.draw(st.integers(1, 6)) for _ in range(2))
    segments, left = [], inputs
    while left:     # a concatenated tensor's
        segments.append(data.draw(st.integers(1, left)))
        left -= segments[-1]
    config = small_config(lanes=lanes, columns=columns, frame_bytes=128, result_words=64)
    plan = plan_lanes(layer_of(inputs, outputs, groups), segments, config)
    positions, total = lanes_of(segments, lanes), words_of(segments, lanes)
    for output in range(outputs):
        first = output // columns // plan.together * plan.words
        assert first + plan.words <= total
        group = output // (outputs // groups)
        channels = range(group * inputs // groups, (group + 1) * inputs // groups)
        assert (first * lanes + np.flatnonzero(plan.own[output])).tolist() == positions[list(channels)].tolist()
