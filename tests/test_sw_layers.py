import io
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from nomul.sw.geometry import LayerError
from nomul.sw.layers import (
    L1Conv2d,
    L1Linear,
    PowerSumConv2d,
    PowerSumLinear,
    ShiftConv2d,
    ShiftLinear,
    SignConv2d,
    SignLinear,
)
from nomul.sw.rounding import FixedPoint
from nomul.sw.shift import power_of_two

WINDOW = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
#: Of every kind of layer one, and the shape of its input.
EVERY = {
    "l1": (lambda: L1Conv2d(4, 6, 3, **WINDOW), (2, 4, 9, 9)),
    "l1 depthwise, sign gradient": (lambda: L1Conv2d(4, 4, 3, groups=4, sign_gradient=True), (2, 4, 5, 5)),
    "l1 linear": (lambda: L1Linear(6, 4), (3, 6)),
    "shift-q": (lambda: ShiftConv2d(4, 6, 3, **WINDOW, bias=True), (2, 4, 9, 9)),
    "shift-q, DeepShift's levels": (lambda: ShiftConv2d(4, 6, 3, bits=3, zero=False), (2, 4, 5, 5)),
    "shift-ps": (lambda: ShiftConv2d(4, 6, 3, **WINDOW, form="ps", bits=4), (2, 4, 9, 9)),
    "shift-ps linear, fixed point": (lambda: ShiftLinear(6, 4, True, form="ps", activation=FixedPoint(3, 5)), (3, 6)),
    "shift frozen": (lambda: ShiftConv2d(4, 6, 3, form="frozen"), (2, 4, 5, 5)),
    "shift-q, stochastic": (lambda: ShiftLinear(6, 4, stochastic=True), (3, 6)),
    "sign, ternary": (lambda: SignConv2d(4, 6, 3, **WINDOW), (2, 4, 9, 9)),
    "sign, binary": (lambda: SignLinear(6, 4, ternary=False), (3, 6)),
    "sums of powers, greedy": (lambda: PowerSumConv2d(4, 6, 3, **WINDOW), (2, 4, 9, 9)),
    "sums of powers, apot": (lambda: PowerSumLinear(6, 4, scheme="apot"), (3, 6)),
}
EACH = pytest.mark.parametrize(("make", "shape"), EVERY.values(), ids=EVERY)


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
    (L1Conv2d(4, 2, 3, dilation=2, groups=2, sign_gradient=True),
     "L1Conv2d(4, 2, kernel_size=3, stride=1, padding=0, dilation=2, groups=2, eta=0.2, sign_gradient=True)"),
    (ShiftLinear(2, 4, bits=3, zero=False, stochastic=True, activation=FixedPoint(8, 4)),
     "ShiftLinear(2, 4, exponents=-3..0, no zero, stochastic, activation=FixedPoint(integer_bits=8, fraction_bits=4))"),
])
def test_layers_describe_themselves_and_hold_one_weight(layer, text):
    assert repr(layer) == text
    assert list(layer.state_dict()) == ["weight"]


# TorchDynamo instantiates every autograd function that it traces, which PyTorch warns of.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@EACH
def test_layers_compile_into_one_graph_and_compute_the_same(make, shape):
    torch._dynamo.reset()
    layer, x = make().eval(), torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    expected, found = layer(x), compiled(x)
    assert torch.equal(found, expected)
    operands = [x, *layer.parameters()]
    gradients = [torch.autograd.grad(y.square().sum(), operands) for y in (expected, found)]
    for eager, traced in zip(*gradients, strict=True):
        torch.testing.assert_close(traced, eager)


@EACH
def test_layers_can_be_exported(make, shape):
    layer, x = make().eval(), torch.randn(shape)
    assert torch.equal(torch.export.export(layer, (x,)).module()(x), layer(x))


@EACH
def test_a_state_dict_brings_every_number_along(make, shape):
    first, second, x = make().eval(), make().eval(), torch.randn(shape)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    assert not torch.equal(first(x), second(x))
    second.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert torch.equal(first(x), second(x))


def test_linear_layers_keep_leading_dimensions():
    x = images(2, 3, 6)
    for layer in (L1Linear(6, 4).double(), ShiftLinear(6, 4).double()):
        torch.testing.assert_close(layer(x), torch.stack([layer(rows) for rows in x]))


@pytest.mark.parametrize("form", ["q", "ps", "frozen"])
def test_shift_convolutions_have_all_of_pytorchs_windows(form):
    layer = ShiftConv2d(4, 6, (1, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=2, bias=True, form=form)
    theirs = nn.Conv2d(4, 6, (1, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=2)
    with torch.no_grad():
        theirs.weight.copy_(layer.quantized_weight())
        theirs.bias.copy_(layer.bias)
    x = torch.randn(2, 4, 7, 7)
    assert torch.equal(layer(x), theirs(x))


@pytest.mark.parametrize("window", [{}, {"stride": 2}, {"padding": 2}, {"dilation": 2}, {"groups": 2}, WINDOW])
def test_ps_gradients_equal_deepshifts_formulas(window):
    layer, x = ShiftConv2d(4, 6, 3, form="ps", **window).double(), images(2, 4, 9, 9).requires_grad_()
    layer.sign.data.uniform_(-1.5, 1.5, generator=torch.Generator().manual_seed(1))
    layer(x).square().sum().backward()
    weight = layer.quantized_weight().detach().requires_grad_()
    y = x.detach().clone().requires_grad_()
    functional.conv2d(y, weight, **window).square().sum().backward()
    power = layer.exponent.detach().round().exp2()
    assert (weight == 0).any()
    torch.testing.assert_close(layer.sign.grad, weight.grad)
    torch.testing.assert_close(layer.exponent.grad, weight.grad * torch.sign(torch.round(layer.sign)) * power
                               * math.log(2))
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize(("form", "zero", "bits", "smallest"), [
    ("q", False, 5, -15), ("q", False, 4, -7), ("q", False, 3, -3), ("q", False, 2, -1),
    ("ps", True, 5, -14), ("ps", True, 4, -6), ("ps", True, 3, -2), ("ps", True, 2, 0),
])
def test_bits_give_deepshifts_ranges(form, zero, bits, smallest):
    layer = ShiftLinear(300, 40, form=form, zero=zero, bits=bits)
    assert (layer.min_exponent, layer.max_exponent) == (smallest, 0)
    layer.load_weight_(torch.linspace(-1.2, 1.2, 300 * 40).pow(9).reshape(40, 300))
    levels = {0.0} if zero else set()
    levels |= {sign * 2.0**p for sign in (-1, 1) for p in range(smallest, 1)}
    assert set(layer.quantized_weight().flatten().tolist()) == levels
    assert len(levels) == 2**bits - zero


def test_bits_may_count_from_another_largest_exponent():
    layer = ShiftLinear(2, 2, bits=3, max_exponent=-4)
    assert (layer.min_exponent, layer.max_exponent) == (-6, -4)


@pytest.mark.parametrize("form", ["q", "ps", "frozen"])
@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_weights_do_not_start_as_nothing_but_zeros(form, bits):
    layer = ShiftConv2d(64, 16, 3, form=form, bits=bits)
    assert 0.3 < (layer.quantized_weight() != 0).float().mean() <= 1


@pytest.mark.parametrize("form", ["q", "ps"])
def test_stochastic_exponents_are_drawn_while_training_only(form):
    layer = ShiftLinear(4000, 1, form=form, stochastic=True)
    layer.load_weight_(torch.full((1, 4000), 2.0**-2.25))
    torch.manual_seed(0)
    drawn = layer.quantized_weight().log2()
    assert set(drawn.flatten().tolist()) == {-3.0, -2.0}
    assert drawn.mean().item() == pytest.approx(-2.25, abs=0.03)
    assert torch.equal(layer.eval().quantized_weight(), torch.full((1, 4000), 0.25))


@pytest.mark.parametrize("form", ["q", "ps"])
@pytest.mark.parametrize("training", [False, True])
def test_activations_and_bias_are_rounded_down_to_fixed_point(form, training):
    # DeepShift leaves the input of a PS linear layer alone while training.
    layer = ShiftLinear(2, 2, bias=True, form=form, activation=FixedPoint(3, 1)).train(training)
    layer.load_weight_(torch.eye(2))
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.6, -0.1]))
    x = torch.tensor([[0.9, -0.1], [99.0, -99.0]], requires_grad=True)
    y = layer(x)
    assert y.tolist() == [[0.5 + 0.5, -0.5 - 0.5], [3.5 + 0.5, -4.0 - 0.5]]
    y.sum().backward()
    assert torch.equal(x.grad, torch.ones(2, 2))


def test_frozen_weights_are_the_same_bits_after_training():
    torch.manual_seed(0)
    model = nn.Sequential(ShiftConv2d(2, 8, 3, form="frozen"), L1Conv2d(8, 4, 1), nn.BatchNorm2d(4))
    frozen, adder = model[0].weight.clone(), model[1].weight.clone()
    assert [name for name, _ in model.named_parameters()] == ["1.weight", "2.weight", "2.bias"]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 2, 6, 6)).square().mul(torch.arange(4.0)[:, None, None]).sum().backward()
        optimizer.step()
    assert torch.equal(model[0].weight.view(torch.int32), frozen.view(torch.int32))
    assert not torch.equal(model[1].weight, adder)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.8])
def test_the_sign_threshold_is_the_part_of_frozen_weights_that_are_zero(threshold):
    torch.manual_seed(0)
    layer = ShiftConv2d(32, 64, 3, form="frozen", sign_threshold=threshold)
    assert (layer.weight == 0).float().mean().item() == pytest.approx(threshold, abs=0.015)
    powers = layer.weight[layer.weight != 0].abs().log2()
    assert (powers.min().item(), powers.max().item()) == (-7, 0)
    assert powers.mean().item() == pytest.approx(-3.5, abs=0.05)


@pytest.mark.parametrize(("options", "message"), [
    ({"form": "x"}, "form must be 'q', 'ps' or 'frozen', not 'x'"),
    ({"bits": 6}, "bits must be 2 to 5, not 6"),
    ({"bits": 3, "min_exponent": -2}, "give bits or min_exponent, not both"),
    ({"min_exponent": 1}, "min_exponent 1 must not be above max_exponent 0"),
    ({"form": "ps", "zero": False}, "zero=False is for form='q'"),
    ({"groups": 3}, "groups=3 must divide both the 4 input channels and the 6 output channels"),
    ({"padding": "same"}, "padding must be an integer of at least 0"),
])
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(LayerError, match=message):
        ShiftConv2d(4, 6, 3, **options)
