import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nomul.sw.geometry import LayerError
from nomul.sw.rounding import FixedPoint, round_exponent


@given(st.lists(st.floats(-600, 600, width=32), min_size=1), st.integers(1, 8), st.integers(0, 8))
def test_fixed_point_is_the_largest_number_of_the_format_that_is_not_above(values, integer_bits, fraction_bits):
    step, bound = 2.0**-fraction_bits, 2.0**(integer_bits - 1)
    found = FixedPoint(integer_bits, fraction_bits).round(torch.tensor(values))
    for value, rounded in zip(values, found.tolist(), strict=True):
        assert rounded == min(max(math.floor(value / step) * step, -bound), bound - step)
    assert torch.equal(FixedPoint(integer_bits, fraction_bits).round(found), found)


def test_negative_numbers_are_rounded_down_and_not_cut_off():
    # DeepShift's kernels truncate, one step away from what training computed.
    assert FixedPoint(4, 2).round(torch.tensor([-0.3, 0.3])).tolist() == [-0.5, 0.25]


def test_the_largest_number_of_the_format_is_used():
    # DeepShift clamps "3 5" to 3.
    assert FixedPoint(3, 5).round(torch.tensor([100.0, -100.0])).tolist() == [4 - 1 / 32, -4.0]


@pytest.mark.parametrize("bits", [(0, 3), (4, -1)])
def test_formats_without_a_sign_or_with_negative_widths_are_refused(bits):
    with pytest.raises(LayerError, match="a fixed-point format needs integer_bits of at least 1"):
        FixedPoint(*bits)


def test_drawn_exponents_are_neighbours_with_the_right_mean():
    torch.manual_seed(0)
    exponent = torch.full((20000,), -3.3)
    drawn = round_exponent(exponent, stochastic=True)
    assert set(drawn.tolist()) == {-4.0, -3.0}
    assert drawn.mean().item() == pytest.approx(-3.3, abs=0.02)
    assert torch.equal(round_exponent(torch.arange(-3.0, 4), stochastic=True), torch.arange(-3.0, 4))
