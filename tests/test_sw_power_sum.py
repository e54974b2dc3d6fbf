import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from nomul.sw.geometry import LayerError
from nomul.sw.layers import PowerSumConv2d, PowerSumLinear
from nomul.sw.power_sum import (
    apot,
    apot_levels,
    from_shiftcnn_codes,
    greedy_terms,
    learned_apot,
    shiftcnn,
    shiftcnn_codes,
)

FLOATS = st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=9)


def powers(terms):
    """Whether every term is 0 or a power of two."""
    return bool(((terms == 0) | (torch.frexp(terms).mantissa.abs() == 0.5)).all())


@pytest.mark.parametrize(("weight", "terms"), [
    (1.0, [1, 0]), (0.75, [0.5, 0.25]), (0.76, [1, -0.25]), (-0.4, [-0.5, 0.125]), (0.625, [0.5, 0.125]),
    (2.0**-6, [2.0**-6, 0]), (2.0**-6 * 0.99, [2.0**-6, 0]), (2.0**-7, [0, 2.0**-7]), (2.0**-8, [0, 0]), (0.0, [0, 0]),
])
def test_shiftcnn_takes_the_nearest_power_and_then_the_nearest_to_the_rest(weight, terms):
    # 4 bits: the first term is 2^0 to 2^-6, the second 2^-1 to 2^-7.
    assert shiftcnn(torch.tensor([1.0, weight])).terms[:, 1].tolist() == terms


def test_weights_that_are_powers_leave_no_logarithm_of_zero():
    # A published two-term quantizer makes NaN of them.
    weight = torch.tensor([1.0, -0.5, 0.0, 0.125])
    assert torch.equal(shiftcnn(weight, 3).weight(), weight)
    assert torch.equal(shiftcnn(torch.zeros(3)).weight(), torch.zeros(3))


@given(FLOATS, st.integers(1, 4), st.integers(2, 6))
def test_shiftcnn_codes_are_its_weights(values, terms, bits):
    power_sum = shiftcnn(torch.tensor(values), terms, bits)
    codes = shiftcnn_codes(power_sum)
    assert powers(power_sum.terms)
    assert codes.abs().max() < 1 << (bits - 1)
    back = from_shiftcnn_codes(codes, power_sum.scale)
    assert torch.equal(back.terms, power_sum.terms)
    assert torch.equal(back.weight(), power_sum.weight())


@given(FLOATS)
def test_every_term_leaves_at_most_a_third_until_the_smallest_power(values):
    weight = torch.tensor(values, dtype=torch.float64)
    for terms in range(1, 5):
        error = (greedy_terms(weight, [(-20, 5)] * terms).sum(0) - weight).abs()
        assert (error <= weight.abs() / 3**terms + 2.0**-21).all()


@given(FLOATS, st.integers(1, 3))
def test_quantizing_sums_of_powers_again_changes_nothing(values, terms):
    ranges = [(-12, 3)] * terms
    once = greedy_terms(torch.tensor(values), ranges).sum(0)
    assert torch.equal(greedy_terms(once, ranges).sum(0), once)


@pytest.mark.parametrize(("bits", "levels"), [
    (2, [0, 1 / 4, 1 / 2, 1]),
    (3, [0, 1 / 10, 2 / 10, 3 / 10, 4 / 10, 6 / 10, 8 / 10, 1]),
    (4, [n / 48 for n in (0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48)]),
])
def test_apot_levels_are_the_papers(bits, levels):
    assert apot_levels(bits).tolist() == pytest.approx(levels, abs=1e-12)


@given(FLOATS, st.integers(2, 5), st.floats(0.5, 4))
def test_apot_takes_the_nearest_level_by_powers(values, bits, scale):
    weight, factor = torch.tensor(values, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64)
    power_sum = apot(weight, factor, bits)
    assert powers(power_sum.terms)
    levels = torch.cat([-apot_levels(bits).flip(0), apot_levels(bits)]) * scale
    assert len(set(levels.tolist())) == 2**(bits + 1) - 1
    inside = weight.clamp(-scale, scale)
    distance = (inside[:, None] - levels).abs().amin(1)
    torch.testing.assert_close((power_sum.weight() - inside).abs(), distance, rtol=0, atol=1e-12)
    torch.testing.assert_close(apot(power_sum.weight(), factor, bits).weight(), power_sum.weight())


def test_apot_gradients_are_those_of_its_reparameterized_clipping():
    weight = torch.tensor([0.5, 1.2, 3.0, -9.0], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    learned_apot(weight, scale, 2).backward(torch.tensor([1.0, 10.0, 100.0, 1000.0]).double())
    assert weight.grad.tolist() == [1, 10, 0, 0]
    # Ratios 0.25 (exact), 0.6 (level 0.5), and beyond on either side.
    assert scale.grad.item() == pytest.approx(10 * (0.5 - 0.6) + 100 - 1000)


@pytest.mark.parametrize("options", [{}, {"terms": 3, "bits": 3}, {"scheme": "apot"}, {"scheme": "apot", "bits": 6}])
def test_layers_are_convolutions_with_the_sums(options):
    window = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
    layer = PowerSumConv2d(4, 6, 3, **window, bias=True, **options).double()
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64, requires_grad=True)
    power_sum = layer.power_sum()
    assert powers(power_sum.terms)
    torch.testing.assert_close(power_sum.weight(), layer.quantized_weight())
    weight = layer.quantized_weight().detach().requires_grad_()
    expected = functional.conv2d(x, weight, layer.bias, **window)
    torch.testing.assert_close(layer(x), expected)
    found = torch.autograd.grad(layer(x).square().sum(), (x, layer.weight))
    for ours, theirs in zip(found, torch.autograd.grad(expected.square().sum(), (x, weight)), strict=True):
        torch.testing.assert_close(ours, theirs)  # no weight is beyond alpha here


@pytest.mark.parametrize("options", [{"terms": 2}, {"scheme": "apot", "bits": 5}])
def test_layers_can_be_fine_tuned(options):
    torch.manual_seed(0)
    layer, x, wanted = PowerSumLinear(12, 8, **options), torch.randn(256, 12), torch.randn(8, 12)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(150):
        loss = functional.mse_loss(layer(x), x @ wanted.T)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


@pytest.mark.parametrize(("options", "message"), [
    ({"scheme": "x"}, "scheme must be 'greedy' or 'apot', not 'x'"),
    ({"terms": 0}, "at least one term of at least 2 bits, not 0 of 4"),
    ({"bits": 1}, "at least one term of at least 2 bits, not 2 of 1"),
    ({"scheme": "apot", "bits": 7}, "APoT has levels for 2 to 5 bits of magnitude, not 6"),
])
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(LayerError, match=message):
        PowerSumLinear(2, 2, **options)


def test_layers_describe_themselves():
    assert repr(PowerSumLinear(2, 4)) == "PowerSumLinear(2, 4, scheme=greedy, bits=4, terms=2)"
    assert repr(PowerSumLinear(2, 4, scheme="apot")) == "PowerSumLinear(2, 4, scheme=apot, bits=4)"
