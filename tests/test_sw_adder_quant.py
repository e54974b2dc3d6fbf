import numpy as np
import pytest
import torch
from torch import nn

from nomul.sw.adder_quant import AdderQuantLayer, activation_range, adder_quant_, channel_groups
from nomul.sw.geometry import LayerError
from nomul.sw.layers import L1Conv2d, L1Linear


def convolution(outputs=9, channels=3, **window):
    torch.manual_seed(0)
    layer = L1Conv2d(channels, outputs, 3, **window)
    with torch.no_grad():
        layer.weight.mul_(torch.logspace(-1, 1, outputs)[torch.randperm(outputs), None, None, None])
    return layer


def by_the_formulas(layer, x, largest, bits, group):
    """Channel by channel and tap by tap in float64, from the paper's description; `group` of each channel."""
    weight, x = layer.weight.detach().double().numpy(), x.double().numpy()
    pad = layer.padding
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::layer.stride, ::layer.stride]
    outputs = []
    for channel, number in enumerate(group):
        reach = max(abs(weight[other]).max() for other, its in enumerate(group) if its == number)
        scale = largest if reach > largest else reach
        lost = np.maximum(abs(weight[channel]) - largest, 0).sum() if reach > largest else 0.0
        step = scale / (2**bits - 1)
        codes = np.rint(np.clip(weight[channel], -scale, scale) / (2 * step)).clip(-2**(bits - 1), 2**(bits - 1) - 1)
        taps = np.clip(np.rint(windows / step), 0, 2**bits - 1)
        sums = -np.abs(taps - 2 * codes[None, :, None, None]).sum(axis=(1, 4, 5))
        outputs.append(step * sums - lost)
    return np.stack(outputs, 1)


@pytest.mark.parametrize("groups", [1, 4, 20])
@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("window", [{}, {"stride": 2, "padding": 1}])
def test_it_computes_what_the_formulas_say(window, bits, groups):
    layer, x = convolution(**window), 2 * torch.rand(2, 3, 7, 6)
    quantized = AdderQuantLayer(layer, 1.7, bits, groups)
    group = channel_groups(layer.weight, groups)
    expected = by_the_formulas(layer, x, 1.7, bits, group.tolist())
    assert len(set(group.tolist())) == min(groups, 9)
    np.testing.assert_allclose(quantized(x).numpy(), expected, rtol=1e-5, atol=1e-4)


def test_by_hand():
    layer = L1Linear(2, 3, eta=None)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -1.0], [3.0, 0.25], [-0.5, 0.25]]))
    # One group: the weights reach to 3, so the range is that of the activations, 1.5: steps 0.5 and 1 with 2 bits.
    quantized = AdderQuantLayer(layer, 1.5, bits=2, groups=1)
    assert quantized.step.tolist() == [0.5]
    assert quantized.codes[:, :, 0, 0].tolist() == [[0, -1], [1, 0], [0, 0]]     # 1.5 becomes 2, and the largest is 1
    assert quantized.bias.tolist() == [0, -1.5, 0]
    # Codes of the activations: 2 and, cut off, 3.
    assert quantized(torch.tensor([[1.0, 9.0]])).tolist() == [[-3.5, -3.0, -2.5]]


def test_every_group_has_its_channels_where_they_belong():
    # The released code returns after the first group.
    layer, x = convolution(outputs=12), torch.rand(1, 3, 5, 5)
    quantized = AdderQuantLayer(layer, 4.0, 8, 4)
    assert len(quantized.step) == 4
    with torch.no_grad():
        exact = layer(x)
    assert quantized(x).shape == exact.shape
    assert ((quantized(x) - exact).abs() < 0.03 * exact.abs() + 0.3).all()


def test_groups_of_their_own_range_are_finer():
    layer, x = convolution(outputs=16), torch.rand(4, 3, 6, 6) * 0.5
    with torch.no_grad():
        exact = layer(x)
    narrow = layer.weight.detach().abs().flatten(1).amax(1) < 2
    errors = [float((AdderQuantLayer(layer, 10.0, 4, groups)(x) - exact)[:, narrow].abs().mean())
              for groups in (1, 2, 4)]
    assert errors[0] > errors[1] > errors[2]


def test_channels_of_one_range_are_one_group():
    weight = torch.tensor([1.0, 8.0, 1.1, 8.2, 0.9, 7.9])[:, None]
    group = channel_groups(weight, 2).tolist()
    assert group[0] == group[2] == group[4] != group[1] == group[3] == group[5]
    assert channel_groups(torch.ones(5, 2), 4).tolist() == [0] * 5
    assert sorted(channel_groups(torch.arange(1.0, 4)[:, None], 8).tolist()) == [0, 1, 2]


def test_range_is_the_authors_quantile():
    x = torch.arange(1, 10_001.0)[torch.randperm(10_000)] * torch.tensor([1, -1]).repeat(5000)
    # ⌊(round(10000 · 0.9997) - 1) · 0.9997⌋ = ⌊9996 · 0.9997⌋ = 9993, from 0.
    assert activation_range(x) == 9994
    assert activation_range(torch.zeros(5)) == pytest.approx(1e-3)
    assert activation_range(torch.tensor([2.0])) == 2


def test_all_layers_of_a_model_are_replaced_and_stay_close():
    torch.manual_seed(1)
    model = nn.Sequential(L1Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), L1Linear(96, 4),
                          nn.BatchNorm1d(4))
    images = torch.rand(300, 1, 6, 6)
    with torch.no_grad():
        for _ in range(20):
            model(images)
        before = model.eval()(images)
        after = adder_quant_(model, images, bits=8)(images)
    assert [type(layer) for layer in model][::4] == [AdderQuantLayer] * 2
    assert 0 < (after - before).std() < 0.15 * before.std()
    assert repr(model[0]) == "AdderQuantLayer((6, 1, 3, 3), bits=8, groups=4)"


def test_what_it_cannot_do_is_refused_and_leaves_the_model_alone():
    images = torch.rand(4, 2, 4, 4)
    with pytest.raises(LayerError, match="layer '0': AdderQuant takes inputs that are not negative; put a ReLU"):
        adder_quant_(nn.Sequential(L1Conv2d(2, 2, 3)), -images)
    grouped = nn.Sequential(L1Conv2d(2, 2, 3), nn.ReLU(), L1Conv2d(2, 2, 1, groups=2))
    with pytest.raises(LayerError, match="layer '2': AdderQuant takes convolutions of one group, not of 2"):
        adder_quant_(grouped, images)
    assert isinstance(grouped[0], L1Conv2d)
    with pytest.raises(LayerError, match="the model has no L1 layer to replace"):
        adder_quant_(nn.Sequential(nn.ReLU()), images)
    with pytest.raises(LayerError, match="takes 2 to 8 bits, at least 1 group and a range above 0, not 9, 4 and 1"):
        AdderQuantLayer(L1Conv2d(2, 2, 3), 1.0, bits=9)
