import numpy as np
import pytest

from nomul.sw.contract import requantize
from nomul.sw.scales import (
    Affine,
    Codes,
    ScaleError,
    best_exponent,
    covering_exponent,
    l1_codes,
    requantization,
    shift_codes,
)


@pytest.mark.parametrize(("magnitude", "largest", "exponent"), [
    (255.0, 255, 0), (255.5, 255, 1), (1.0, 255, -7), (0.99, 255, -8), (0.0, 255, 0), (127 / 128, 127, -7),
    (2.0**-20 * 255, 255, -20),
])
def test_the_covering_step_is_the_finest_that_reaches(magnitude, largest, exponent):
    assert covering_exponent(magnitude, largest) == exponent


def test_sixteenths_get_the_finest_step_that_is_exact():
    assert best_exponent(np.arange(17) / 16, 0, 255) == -7


def test_a_rare_outlier_is_cut_off():
    values = np.append(np.random.default_rng(0).uniform(0, 1, 100_000), 1.5)
    assert best_exponent(values, 0, 255) == -8


def test_signed_values_get_a_step_for_both_ends():
    assert best_exponent(np.array([-1.0, 0.5]), 128, 255) == -7
    assert best_exponent(np.array([-0.5, 1.0]), 128, 255) == -6  # at 2^-7, 1.0 would be code 256
    assert best_exponent(np.array([-2.0, 1.0]), 2, 3) == 0


def test_no_step_is_finer_than_allowed():
    assert best_exponent(np.arange(17) / 16, 0, 255, at_least=-3) == -3


def test_the_clamp_of_l1_weights_loses_nothing():
    generator = np.random.default_rng(1)
    weight = generator.integers(-400, 700, (4, 30)) / 16  # on the grid, so that only the clamp acts
    codes = l1_codes(weight, -4, 100, 255)
    assert codes.weight.min() == 0
    assert codes.weight.max() == 255
    x = generator.integers(0, 256, (50, 1, 30))
    real = -np.abs((x - 100) / 16 - weight).sum(axis=2)
    np.testing.assert_array_equal((-np.abs(x - codes.weight).sum(axis=2) + codes.offset) / 16, real)


def test_l1_weights_inside_the_range_are_rounded():
    assert l1_codes(np.array([[0.26, 0.5, 1.9]]), -1, 0, 255).weight.tolist() == [[1, 1, 4]]
    assert l1_codes(np.array([[0.26, 0.5, 1.9]]), -1, 0, 255).offset.tolist() == [0]


def test_shift_weights_count_from_their_smallest_exponent():
    codes = shift_codes(np.array([[0.25, -1.0], [0.0, -0.125]]), -7, 0, 8)
    assert codes.weight.tolist() == [[2, -8], [0, -1]]
    assert codes.exponent == -10
    assert codes.offset.tolist() == [0, 0]


def test_shift_weights_carry_the_zero_point_in_their_offset():
    assert shift_codes(np.array([[0.25, -1.0], [0.0, -0.125]]), 0, 128, 8).offset.tolist() == [128 * 6, 128]


def test_shift_weights_may_all_be_zero():
    codes = shift_codes(np.zeros((2, 3)), -3, 128, 8)
    assert (codes.weight.any(), codes.exponent) == (False, -3)


def test_shift_weights_that_span_too_many_exponents_are_refused():
    assert shift_codes(np.array([[1.0, 2.0**-7]]), 0, 0, 8).weight.tolist() == [[128, 1]]
    with pytest.raises(ScaleError, match="span 9 values, -8 to 0, but the hardware has 8"):
        shift_codes(np.array([[1.0, 2.0**-8]]), 0, 0, 8)


def integer_outputs(codes, affine, exponent, acc):
    scaled = requantization(codes, affine, exponent)
    assert (np.abs(scaled.multiplier) < min(1 << 16, 1 << scaled.shift)).all()
    return requantize(acc + scaled.bias, scaled.multiplier, scaled.shift, 0, -(1 << 20), 1 << 20)


def test_requantization_follows_the_batch_norm_to_a_code():
    generator = np.random.default_rng(2)
    codes = Codes(np.zeros((16, 1), np.int16), -generator.uniform(0, 3000, 16), -5)
    affine = Affine(generator.normal(size=16) / 8, generator.uniform(-400, -300, 16), generator.normal(size=16))
    acc = generator.integers(-11000, -9000, (500, 16))
    real = affine.scale * ((acc + codes.offset) / 32 - affine.mean) + affine.offset
    found = integer_outputs(codes, affine, -5, acc)
    assert np.abs(found - real * 32).max() <= 1.1  # half a code of rounding, and of the bias


def test_requantization_keeps_the_mean_where_it_was():
    # One channel's scale is tiny beside the other's, so its multiplier is rounded much; the mean is large.
    affine = Affine(np.array([0.9, 1e-4]), np.array([-3000.0, -3000.0]), np.array([2.0, 3.0]))
    codes = Codes(np.zeros((2, 1), np.int16), np.zeros(2), -4)
    assert integer_outputs(codes, affine, -4, np.full((1, 2), -48000)).tolist() == [[32, 48]]


def test_a_channel_without_slope_gives_its_constant_and_a_bias_that_fits():
    affine = Affine(np.array([0.5, 0.0]), np.array([-100.0, -100.0]), np.array([0.0, 7.0]))
    codes = Codes(np.zeros((2, 1), np.int16), np.zeros(2), 0)
    scaled = requantization(codes, affine, 0)
    assert np.abs(scaled.bias).max() < 1 << 22
    assert integer_outputs(codes, affine, 0, np.array([[-100, -100], [-140, -60]]))[:, 1].tolist() == [7, 7]


def test_layers_without_any_slope_are_possible():
    affine = Affine(np.zeros(1), np.zeros(1), np.array([5.0]))
    assert integer_outputs(Codes(np.zeros((1, 1), np.int16), np.zeros(1), 0), affine, 0, np.array([[12]])) == [[5]]


@pytest.mark.parametrize("scale", [0.5, 0.999999, 0.99999, 2.0**-12, 1 - 2.0**-40, 1e-9])
def test_every_scale_below_one_has_a_multiplier_that_fits(scale):
    scaled = requantization(Codes(np.zeros((1, 1), np.int16), np.zeros(1), 0),
                            Affine(np.array([-scale]), np.zeros(1), np.zeros(1)), 0)
    assert -min(1 << 16, 1 << scaled.shift) < scaled.multiplier[0] < 0
    assert scaled.multiplier[0] / 2**scaled.shift == pytest.approx(-scale, rel=1e-4, abs=2e-8)
