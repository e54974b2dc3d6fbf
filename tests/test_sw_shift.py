import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nomul.sw.shift import power_and_sign, power_of_two

FLOATS = st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=8)


@pytest.mark.parametrize(("weight", "level"), [
    (1.0, 1.0), (0.5, 0.5), (-0.25, -0.25),
    (0.75, 1.0),            # log2 = -0.415
    (0.70, 0.5),            # log2 = -0.515: the border is at 2^-0.5 = 0.7071
    (-0.36, -0.5),          # above 2^-1.5 = 0.3536
    (-0.35, -0.25),
    (3.0, 1.0), (-17.0, -1.0),                  # clamped
    (0.0079, 2.0**-7), (-0.0056, -(2.0**-7)),   # 2^-7.5 = 0.005524 is the smallest that is not 0
    (0.0055, 0.0), (-0.001, 0.0), (0.0, 0.0),
])
def test_weights_round_to_the_nearest_power_in_the_logarithm(weight, level):
    assert power_of_two(torch.tensor([weight]), -7, 0).item() == level


def test_every_level_is_its_own_value():
    levels = torch.tensor([sign * 2.0**p for sign in (-1, 1) for p in range(-7, 1)] + [0.0])
    assert torch.equal(power_of_two(levels, -7, 0), levels)


def test_other_ranges_are_clamped_at_their_own_ends():
    weight = torch.tensor([0.1, 0.6, 2.0, 5.0, 9.0])
    assert power_of_two(weight, -1, 2).tolist() == [0.0, 0.5, 2.0, 4.0, 4.0]


def test_the_gradient_is_the_identity_even_where_it_is_clamped():
    weight = torch.tensor([0.3, 5.0, -0.0001, 0.0], requires_grad=True)
    gradient = torch.tensor([1.0, -2.0, 3.0, -4.0])
    power_of_two(weight, -7, 0).backward(gradient)
    assert torch.equal(weight.grad, gradient)


@pytest.mark.parametrize(("weight", "level"), [(0.001, 2.0**-3), (-1e-9, -(2.0**-3)), (0.0, 0.0), (0.5, 0.5)])
def test_without_a_zero_small_weights_are_clamped_as_deepshift_does(weight, level):
    assert power_of_two(torch.tensor([weight]), -3, 0, zero=False).item() == level


@given(FLOATS, st.integers(-9, 0), st.integers(0, 6), st.booleans())
def test_rounding_twice_is_rounding_once_and_no_other_power_is_nearer_in_the_logarithm(values, low, span, zero):
    weight = torch.tensor(values)
    found = power_of_two(weight, low, low + span, zero=zero)
    assert torch.equal(power_of_two(found, low, low + span, zero=zero), found)
    for value, level in zip(values, found.tolist(), strict=True):
        if level == 0:
            assert value == 0 or zero and abs(value) <= 2.0**(low - 0.5) * (1 + 1e-6)
        elif low < math.log2(abs(value)) < low + span:
            assert math.copysign(1, value) == math.copysign(1, level)
            assert abs(math.log2(abs(value / level))) <= 0.5 + 1e-6


@given(FLOATS, FLOATS, st.floats(0, 2, width=32))
def test_exponent_and_sign_give_the_power_that_their_definition_says(exponents, signs, threshold):
    length = min(len(exponents), len(signs))
    found = power_and_sign(torch.tensor(exponents[:length]), torch.tensor(signs[:length]), -7, 0, threshold=threshold)
    for weight, exponent, sign in zip(found.tolist(), exponents, signs, strict=False):
        if abs(sign) <= threshold:
            assert weight == 0
        else:
            assert weight == math.copysign(2.0**min(max(round(exponent), -7), 0), sign)


def test_half_a_sign_is_none_as_in_deepshifts_rounding():
    signs = torch.tensor([0.5, -0.5, 0.51, -0.51])
    assert power_and_sign(torch.zeros(4), signs, -7, 0).tolist() == [0, 0, 1, -1]
    assert torch.equal(power_and_sign(torch.zeros(4), signs, -7, 0), signs.round().sign())
