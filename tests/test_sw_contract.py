import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nomul.gen.spec.operators import Operator
from nomul.sw import contract


@pytest.mark.parametrize(("operator", "x", "w", "expected"), [
    (Operator.L1, 10, 3, -7), (Operator.L1, 3, 10, -7), (Operator.L1, 255, 255, 0), (Operator.L1, 0, 255, -255),
    (Operator.SHIFT, 10, 8, 80), (Operator.SHIFT, 10, -8, -80), (Operator.SHIFT, 255, -128, -32640),
    (Operator.SHIFT, 10, 0, 0), (Operator.SIGN, 10, 1, 10), (Operator.SIGN, 10, -1, -10), (Operator.SIGN, 10, 0, 0),
])
def test_op_by_hand(operator, x, w, expected):
    assert contract.op(operator, np.uint8(x), np.int16(w)) == expected


def test_accumulate_by_hand():
    x, bias = np.array([[1, 2, 3], [200, 0, 100]], np.uint8), np.array([5, -7])
    l1 = np.array([[1, 4, 1], [255, 0, 0]], np.int16)
    # 5-(0+2+2), -7-(254+2+3); 5-(199+4+99), -7-(55+0+100)
    assert contract.accumulate(Operator.L1, x, l1, bias).tolist() == [[1, -266], [-297, -162]]
    shift = np.array([[4, -2, 0], [1, 1, -128]], np.int16)
    # 5+4-4, -7+1+2-384; 5+800, -7+200-12800
    assert contract.accumulate(Operator.SHIFT, x, shift, bias).tolist() == [[5, -388], [805, -12607]]


@pytest.mark.parametrize(("acc", "multiplier", "shift", "expected"), [
    (5, 1, 1, 3),           # 2.5 rounds up
    (-5, 1, 1, -2),         # -2.5 rounds up, too
    (-6, 1, 2, -1),         # -1.5 rounds up
    (-7, 1, 2, -2),         # -1.75
    (7, -3, 3, -3),         # -2.625
    (100, 255, 8, 100),     # 99.609
    (1000, 40000, 16, 127),     # 610 is clamped
    (-1000, 40000, 16, -128),
    (2**39 - 1, 2**16 - 1, 40, 127), (-(2**39), 2**16 - 1, 40, -128),
    (123456789, 3, 40, 0),
])
def test_requantize_by_hand(acc, multiplier, shift, expected):
    assert contract.requantize(acc, multiplier, shift, 0, -128, 127) == expected
    assert contract.requantize(acc, multiplier, shift, 10, -118, 137) == expected + 10


def test_requantize_agrees_with_unbounded_integers_at_its_limits():
    chance = np.random.default_rng(0)
    for _ in range(300):
        acc, shift = int(chance.integers(-2**39, 2**39)), int(chance.integers(1, 41))
        limit = min(2**16, 2**shift)
        multiplier = int(chance.integers(1 - limit, limit))
        expected = (acc * multiplier * 2 + 2**shift) // 2 ** (shift + 1)
        assert contract.requantize(acc, multiplier, shift, 0, -2**60, 2**60) == expected


def test_average_by_hand():
    codes = np.array([[1, 2, 3, 4], [0, 0, 0, 2], [255, 255, 255, 254], [0, 0, 0, 1]], np.uint8)
    assert contract.average(codes, 0).tolist() == [3, 1, 255, 0]    # 2.5, 0.5, 254.75, 0.25
    assert contract.average(codes, 7).tolist() == [3, 1, 255, 0]    # dividing by a power of two, no matter from where
    assert contract.average(codes[:, :1], 0).tolist() == [1, 0, 255, 0]


def test_average_of_three_by_hand():
    assert contract.mean_scale(3) == (43691, 17)        # 2^17 / 3 = 43690.67
    codes = np.array([[1, 2, 4], [2, 3, 3], [255, 255, 255], [0, 0, 1]], np.uint8)
    assert contract.average(codes, 0).tolist() == [2, 3, 255, 0]
    assert contract.average(codes, 128).tolist() == [2, 3, 255, 0]


@given(st.integers(2, 3969), st.integers(0, 255), st.data())
def test_average_is_the_nearest_code_unless_two_are_about_as_near(count, zero_point, data):
    total = data.draw(st.integers(0, 255 * count))
    codes = np.full(count, total // count)
    codes[:total % count] += 1
    distance = (2 * total + count) % (2 * count) / (2 * count)      # of the mean from where rounding changes
    if 0.005 < distance < 0.995:
        assert contract.average(codes, zero_point) == (2 * total + count) // (2 * count)


@pytest.mark.parametrize(("code", "steps", "expected"), [
    (10, 0, 20), (13, 2, 32), (13, -1, 22), (12, -2, 21), (11, -2, 20), (0, 0, 10), (8, 4, 0), (200, 3, 255),
])
def test_rescale_by_hand(code, steps, expected):
    assert contract.rescale(code, 10, steps, 20, 255) == expected


def test_maximum_by_hand():
    assert contract.maximum(np.array([[1, 200, 3], [0, 0, 0]], np.uint8)).tolist() == [200, 0]


@pytest.mark.parametrize(("a", "b", "shift", "expected"), [
    (12, 128, 0, 138),      # (12-10)·4 + (128-128)·1 + 130
    (12, 131, 2, 133),      # (8 + 3 + 2) >> 2 = 3
    (10, 127, 1, 130),      # (-1 + 1) >> 1 = 0
    (10, 126, 1, 129),      # (-2 + 1) >> 1 = -1
    (255, 255, 0, 255), (0, 0, 0, 100),     # clamped
])
def test_residual_by_hand(a, b, shift, expected):
    assert contract.residual(a, b, (10, 128), (2, 0), shift, 130, 100, 255) == expected


@pytest.mark.parametrize("operator", Operator)
def test_accumulator_range_is_reached_and_never_left(operator):
    chance = np.random.default_rng(int(operator))
    weights = {Operator.L1: np.arange(4), Operator.SHIFT: np.array([-4, -1, 0, 2]), Operator.SIGN: np.array([-1, 0, 1])}
    weight, bias = chance.choice(weights[operator], (5, 3)), chance.integers(-9, 9, 5)
    every_input = np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3)
    acc = contract.accumulate(operator, every_input, weight, bias)
    smallest, largest = contract.accumulator_range(operator, weight, bias, 2)
    assert smallest.tolist() == acc.min(axis=0).tolist()
    assert largest.tolist() == acc.max(axis=0).tolist()


@pytest.mark.parametrize(("smallest", "largest", "bits"), [
    (0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-3, 1, 3), (-128, 127, 8), (-128, 128, 9), (-129, 0, 9),
    (5, 7, 4), (-8, -5, 4),
])
def test_signed_bits_by_hand(smallest, largest, bits):
    assert contract.signed_bits(smallest, largest) == bits

