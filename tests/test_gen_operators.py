"""Weight codes: `encode` and `decode` are inverse, and leaf sums plus folds are the operators' sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator, WeightError, decode, encode, fold, pad_weight


def config(exponents: int = 8, l1_bits: int = 8, **forms: bool) -> Config:
    return Config(name="x", lanes=8, columns=8, operators=("l1", "shift", "sign"), shift_exponents=exponents,
                  l1_weight_bits=l1_bits, **forms)


def allowed(operator: Operator, exponents: int = 8, l1_bits: int = 8) -> list[int]:
    powers = [2**p for p in range(exponents)]
    return {Operator.L1: list(range(2**l1_bits)), Operator.SHIFT: [0, *powers, *(-p for p in powers)],
            Operator.SIGN: [-1, 0, 1]}[operator]


@pytest.mark.parametrize("exponents", [2, 4, 8])
@pytest.mark.parametrize("operator", Operator)
def test_every_allowed_weight_comes_back_from_its_code(operator, exponents):
    weights = np.array(allowed(operator, exponents))
    codes = encode(operator, weights, config(exponents))
    assert codes.dtype == np.uint8
    assert len(set(codes.tolist())) == len(weights)
    assert codes.max() < 1 << config(exponents).operator_weight_bits(operator.key)
    np.testing.assert_array_equal(decode(operator, codes, config(exponents)), weights)


@pytest.mark.parametrize(("operator", "weight", "code"), [
    (Operator.L1, 0, 0), (Operator.L1, 255, 255),
    (Operator.SHIFT, 0, 0b10_000), (Operator.SHIFT, 1, 0b00_000), (Operator.SHIFT, -1, 0b01_000),
    (Operator.SHIFT, 128, 0b00_111), (Operator.SHIFT, -64, 0b01_110),
    (Operator.SIGN, 0, 0b11), (Operator.SIGN, 1, 0b01), (Operator.SIGN, -1, 0b00),
])
def test_codes_are_laid_out_as_documented(operator, weight, code):
    assert encode(operator, np.array([weight]), config())[0] == code


@pytest.mark.parametrize(("operator", "weights", "codes"), [
    (Operator.L1, [0, 255], [0, 255]), (Operator.SIGN, [1, -1], [256, 0]), (Operator.SHIFT, [0, -64], [16, 14]),
])
def test_codes_of_unified_elements_have_a_ninth_bit(operator, weights, codes):
    unified = config(unified=True)
    assert unified.weight_bits == 9
    assert encode(operator, np.array(weights), unified).tolist() == codes
    assert decode(operator, np.array(codes), unified).tolist() == weights


def test_unified_elements_have_no_sign_weight_0():
    with pytest.raises(WeightError, match=r"^weight 0 at \[1\] is not a sign weight; allowed are -1 and 1, as "
                                          r"processing elements are unified$"):
        encode(Operator.SIGN, np.array([1, 0]), config(unified=True))


@given(st.lists(st.tuples(st.integers(0, 255), st.sampled_from([-1, 1])), min_size=1))
def test_unified_leaf_sum_plus_fold_is_the_sum_of_signs(lanes):
    """By the definition of the unified leaf: all ones for 1, the complement for -1."""
    leaves = sum(2 * (255 if w > 0 else 255 - x) - (255 - x) for x, w in lanes)
    weights = np.array([[w for _, w in lanes]])
    assert leaves + int(fold(Operator.SIGN, weights, config(unified=True))[0]) == sum(x * w for x, w in lanes)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1))
def test_l1_minimum_leaf_sum_plus_fold_is_the_distance(lanes):
    sums = sum(2 * (255 - max(x, w)) + x for x, w in lanes)
    weights = np.array([[w for _, w in lanes]])
    assert sums + int(fold(Operator.L1, weights, config(l1_minimum=True))[0]) == -sum(abs(x - w) for x, w in lanes)


@pytest.mark.parametrize(("operator", "weights", "message"), [
    (Operator.L1, [[0, 256]], "weight 256 at [0, 1] is not a l1 weight; allowed are integers 0 to 255"),
    (Operator.L1, [-1], "weight -1 at [0] is not a l1 weight; allowed are integers 0 to 255"),
    (Operator.SHIFT, [1, 3], "weight 3 at [1] is not a shift weight; allowed are 0 and ±2^p with p from 0 to 7"),
    (Operator.SHIFT, [-256], "weight -256 at [0] is not a shift weight"),
    (Operator.SIGN, [2], "weight 2 at [0] is not a sign weight; allowed are -1, 0 and 1"),
])
def test_weight_that_cannot_be_expressed_is_named_with_its_place(operator, weights, message):
    with pytest.raises(WeightError) as caught:
        encode(operator, np.array(weights), config())
    assert message in str(caught.value)


def test_narrow_l1_weights_are_refused_above_their_own_range():
    with pytest.raises(WeightError, match="allowed are integers 0 to 15"):
        encode(Operator.L1, np.array([16]), config(l1_bits=4))


def leaf_sum(operator: Operator, x: list[int], w: list[int]) -> int:
    """What the column adds, straight from the table in nomul.gen.spec.operators, one lane at a time."""
    if operator is Operator.L1:
        return sum(2 * min(255 - a + b, 255) - (255 - a) for a, b in zip(x, w, strict=True))
    ones = {Operator.SHIFT: 2**15 - 1, Operator.SIGN: 255}[operator]
    return sum(ones - a * -b if b < 0 else a * b for a, b in zip(x, w, strict=True))


def operator_sum(operator: Operator, x: list[int], w: list[int]) -> int:
    if operator is Operator.L1:
        return sum(-abs(a - b) for a, b in zip(x, w, strict=True))
    return sum(a * b for a, b in zip(x, w, strict=True))


@given(st.sampled_from(Operator), st.data())
def test_leaf_sum_plus_fold_is_the_sum_of_the_operator(operator, data):
    count = data.draw(st.integers(1, 20))
    x = data.draw(st.lists(st.integers(0, 255), min_size=count, max_size=count))
    w = data.draw(st.lists(st.sampled_from(allowed(operator)), min_size=count, max_size=count))
    assert leaf_sum(operator, x, w) + int(fold(operator, np.array([w]), config())[0]) == operator_sum(operator, x, w)


@given(st.sampled_from(Operator), st.integers(0, 255))
def test_unused_lane_adds_nothing(operator, zero_point):
    weight = pad_weight(operator, zero_point, config())
    assert operator_sum(operator, [zero_point], [weight]) == 0
    assert leaf_sum(operator, [zero_point], [weight]) + int(fold(operator, np.array([[weight]]), config())[0]) == 0


@pytest.mark.parametrize("operator", Operator)
def test_key_names_the_operator_in_files(operator):
    assert Operator.from_key(operator.key) is operator


def test_unknown_operator_lists_the_known_ones():
    with pytest.raises(WeightError, match=r"^unknown operator 'mul'; known are l1, shift, sign$"):
        Operator.from_key("mul")
