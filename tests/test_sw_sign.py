import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from nomul.sw.layers import SignConv2d, SignLinear
from nomul.sw.sign import binary, ternary

FLOATS = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=9)


@given(FLOATS)
def test_binary_weights_are_signs_and_their_own_signs(values):
    found = binary(torch.tensor(values))
    assert found.tolist() == [1 if value >= 0 else -1 for value in values]
    assert torch.equal(binary(found), found)


@given(FLOATS)
def test_ternary_weights_are_zero_up_to_the_threshold_and_their_own_ternary_weights(values):
    weight = torch.tensor([values])
    found = ternary(weight)
    border = 0.7 * weight.abs().mean()
    assert found.tolist() == [[0 if abs(value) <= border else value / abs(value) for value in weight[0]]]
    assert torch.equal(ternary(found), found)


def test_every_output_has_its_own_threshold():
    weight = torch.tensor([[1.0, 0.1, -1.0], [0.01, 0.001, -0.01]])
    assert ternary(weight).tolist() == [[1, 0, -1], [1, 0, -1]]
    assert ternary(weight, threshold=0.0).tolist() == [[1, 1, -1], [1, 1, -1]]


@pytest.mark.parametrize("quantizer", [binary, ternary])
def test_gradients_pass_within_one(quantizer):
    weight = torch.tensor([[0.3, -1.0, 1.1, -7.0]], requires_grad=True)
    quantizer(weight).backward(torch.tensor([[2.0, 3.0, 4.0, 5.0]]))
    assert weight.grad.tolist() == [[2, 3, 0, 0]]


@pytest.mark.parametrize("with_zero", [False, True])
def test_layers_are_convolutions_with_signs_and_have_their_gradients(with_zero):
    window = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
    layer = SignConv2d(4, 6, 3, **window, bias=True, ternary=with_zero).double()
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64, requires_grad=True)
    weight = layer.quantized_weight().detach().requires_grad_()
    assert set(weight.flatten().tolist()) == ({-1, 0, 1} if with_zero else {-1, 1})
    expected = functional.conv2d(x, weight, layer.bias, **window)
    torch.testing.assert_close(layer(x), expected)
    found = torch.autograd.grad(layer(x).square().sum(), (x, layer.weight, layer.bias))
    for ours, theirs in zip(found, torch.autograd.grad(expected.square().sum(), (x, weight, layer.bias)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_linear_layers_add_and_subtract():
    layer = SignLinear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.5, 0.01], [-0.2, -0.2, 0.2]]))
    assert layer(torch.tensor([[1.0, 10.0, 100.0]])).tolist() == [[-9, 89]]
    assert repr(layer) == "SignLinear(3, 2, ternary, threshold=0.7)"
    assert repr(SignConv2d(3, 2, 1, ternary=False)) == \
        "SignConv2d(3, 2, kernel_size=1, stride=1, padding=0, binary)"
