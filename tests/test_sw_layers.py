import pytest
import torch
from torch.nn import functional

from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear
from nomul.sw.shift import power_of_two


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_l1_convolution_is_minus_the_distance_of_window_and_weights():
    layer, x = L1Conv2d(3, 5, 3, stride=2, padding=1).double(), images(2, 3, 7, 7)
    windows = functional.unfold(x, 3, padding=1, stride=2)[:, None]
    expected = -(windows - layer.weight.reshape(1, 5, 27, 1)).abs().sum(2).reshape(2, 5, 4, 4)
    torch.testing.assert_close(layer(x), expected)


def test_l1_linear_is_minus_the_distance_of_input_and_weights():
    layer, x = L1Linear(6, 4).double(), images(3, 6)
    torch.testing.assert_close(layer(x), -torch.cdist(x, layer.weight, p=1))


def test_l1_linear_has_the_gradients_of_the_convolution():
    layer, x = L1Linear(6, 4, eta=None).double(), images(3, 6).requires_grad_()
    layer(x).sum().backward()
    difference = x.detach()[:, None] - layer.weight.detach()
    torch.testing.assert_close(layer.weight.grad, difference.sum(0))
    torch.testing.assert_close(x.grad, (-difference).clamp(-1, 1).sum(1))


def test_shift_convolution_computes_with_powers_of_two():
    layer, x = ShiftConv2d(3, 5, 3, stride=2, padding=1).double(), images(2, 3, 7, 7)
    weight = power_of_two(layer.weight, -7, 0)
    torch.testing.assert_close(layer(x), functional.conv2d(x, weight, stride=2, padding=1))
    assert set(torch.frexp(weight[weight != 0].abs())[0].tolist()) == {0.5}


def test_shift_linear_computes_with_powers_of_two():
    layer, x = ShiftLinear(6, 4, min_exponent=-3, max_exponent=1).double(), images(3, 6)
    torch.testing.assert_close(layer(x), x @ power_of_two(layer.weight, -3, 1).T)


def test_shift_gradients_are_those_of_a_convolution_with_the_powers():
    layer, x = ShiftConv2d(3, 5, 3, padding=1).double(), images(2, 3, 4, 4).requires_grad_()
    layer(x).square().sum().backward()
    weight = layer.quantized_weight().detach().requires_grad_()
    y = x.detach().clone().requires_grad_()
    functional.conv2d(y, weight, padding=1).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, weight.grad)
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("layer", [L1Conv2d(8, 16, 3), L1Linear(64, 32)])
def test_l1_weights_start_as_a_standard_normal_distribution(layer):
    assert layer.weight.mean().item() == pytest.approx(0, abs=0.15)
    assert layer.weight.std().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("ours", "theirs"), [(ShiftConv2d(8, 16, 3), torch.nn.Conv2d(8, 16, 3)),
                                              (ShiftLinear(64, 32), torch.nn.Linear(64, 32))])
def test_shift_weights_start_like_those_of_pytorch(ours, theirs):
    assert ours.weight.shape == theirs.weight.shape
    assert ours.weight.abs().max().item() == pytest.approx(theirs.weight.abs().max().item(), rel=0.05)


@pytest.mark.parametrize(("layer", "text"), [
    (L1Conv2d(2, 4, 3, stride=2, padding=1), "L1Conv2d(2, 4, kernel_size=3, stride=2, padding=1, eta=0.2)"),
    (L1Linear(2, 4, eta=None), "L1Linear(2, 4, eta=None)"),
    (ShiftConv2d(2, 4, 1), "ShiftConv2d(2, 4, kernel_size=1, stride=1, padding=0, exponents=-7..0)"),
    (ShiftLinear(2, 4), "ShiftLinear(2, 4, exponents=-7..0)"),
])
def test_layers_describe_themselves_and_hold_one_weight(layer, text):
    assert repr(layer) == text
    assert list(layer.state_dict()) == ["weight"]
