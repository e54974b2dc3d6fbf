import math

import pytest
import torch
from torch import nn

from nomul.sw.geometry import LayerError
from nomul.sw.layers import PowerSumConv2d, ShiftConv2d, ShiftLinear
from nomul.sw.power_sum import shiftcnn
from nomul.sw.pretrained import convert_
from nomul.sw.quantize import QuantizationConfig, quantize_
from nomul.sw.shift import power_of_two


def trained():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
                          nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4), nn.ReLU(),
                          nn.Conv2d(8, 4, (1, 3), padding=(0, 1)), nn.Flatten(), nn.Linear(64, 5))
    model(torch.randn(64, 2, 8, 8))
    return model.eval()


@pytest.mark.parametrize("kind", ["shift-q", "shift-ps"])
@pytest.mark.parametrize("bits", [3, 5])
def test_every_layer_keeps_its_rounded_weights_window_and_bias(kind, bits):
    model, reference, x = trained(), trained(), torch.randn(3, 2, 8, 8)
    assert convert_(model, kind, bits=bits) is model
    layers = [module for module in model if isinstance(module, ShiftConv2d | ShiftLinear)]
    originals = [module for module in reference if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == len(originals) == 4
    with torch.no_grad():
        for layer, original in zip(layers, originals, strict=True):
            assert layer.max_exponent == round(math.log2(original.weight.abs().max()))
            rounded = power_of_two(original.weight, layer.min_exponent, layer.max_exponent)
            assert torch.equal(layer.quantized_weight(), rounded)
            original.weight.copy_(rounded)
    torch.testing.assert_close(model(x), reference(x))
    assert not any(module.training for module in model.modules())


def test_the_latent_weights_are_the_trained_ones():
    model, reference = trained(), trained()
    convert_(model)
    assert torch.equal(model[0].weight, reference[0].weight)
    convert_(ps := trained(), "shift-ps")
    kept = ps[0].quantized_weight() != 0
    expected = reference[0].weight.abs()[kept].clamp(2.0**ps[0].min_exponent, 2.0**ps[0].max_exponent)
    torch.testing.assert_close(ps[0].exponent[kept].exp2(), expected)


def test_sums_of_powers_stay_close_to_the_trained_network():
    reference, x = trained(), torch.randn(50, 2, 8, 8)
    expected = reference(x)
    errors = []
    for terms in (1, 2, 3):
        model = convert_(trained(), "power-sum", terms=terms, bits=5)
        assert torch.equal(model[0].quantized_weight(), shiftcnn(reference[0].weight, terms, 5).weight())
        errors.append(((model(x) - expected).norm() / expected.norm()).item())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.04


def test_a_converted_network_can_be_fine_tuned():
    torch.manual_seed(1)
    model, x = convert_(trained(), bits=3), torch.randn(64, 2, 8, 8)
    wanted = trained()(x).detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(80):
        loss = (model(x) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_converted_network_can_be_quantized():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(96, 5))
    images = torch.rand(100, 1, 8, 8)
    model(images)
    expected = convert_(model.eval())(images)
    found = quantize_(model, images, QuantizationConfig())(images)
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_layers_to_keep_and_other_modules_stay():
    model = convert_(trained(), "power-sum", keep=("0", "7"))
    assert [type(module) for module in model] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, PowerSumConv2d, nn.ReLU,
                                                  PowerSumConv2d, nn.Flatten, nn.Linear]


def test_a_layer_that_occurs_twice_stays_one():
    layer = nn.Linear(3, 3)
    model = convert_(nn.Sequential(layer, nn.ReLU(), layer))
    assert model[0] is model[2]
    assert isinstance(model[0], ShiftLinear)


def test_dtype_and_an_all_zero_layer_survive():
    model = nn.Sequential(nn.Linear(3, 2)).double()
    nn.init.zeros_(model[0].weight)
    convert_(model)
    assert model[0].weight.dtype == torch.float64
    assert torch.equal(model(torch.randn(1, 3).double())[0], model[0].bias)


@pytest.mark.parametrize(("model", "arguments", "message"), [
    (nn.Sequential(), {"kind": "x"}, "unknown kind 'x' of layers; known are shift-q, shift-ps, power-sum"),
    (nn.Sequential(), {"keep": ("fc",)}, "keep='fc': the model has no such module"),
    (nn.Linear(1, 1), {}, "a single layer, which cannot be replaced in place: put it into nn.Sequential"),
    (nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")), {}, r"layer '0': .*padding='same'.*keep=\('0',\)"),
    (nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")), {}, "padding_mode='reflect'"),
])
def test_what_cannot_be_converted_is_refused(model, arguments, message):
    with pytest.raises(LayerError, match=message):
        convert_(model, **arguments)


def test_a_refused_model_is_unchanged():
    model = nn.Sequential(nn.Linear(2, 2), nn.Conv2d(1, 1, 3, padding="same"))
    with pytest.raises(LayerError):
        convert_(model)
    assert type(model[0]) is nn.Linear
