import pytest
import torch
from torch import nn

from nomul.gen.spec.errors import NomulError
from nomul.sw.convert import convert
from nomul.sw.layers import L1Conv2d, ShiftConv2d
from nomul.sw.network import IntegerNetwork
from nomul.sw.quantize import QuantizationConfig, quantize_


def test_a_hand_worked_layer():
    # Weights 1/4, -1 and 0; inputs are quarters up to 63.75, so the input's step is 2^-2; one unit is 2^-4.
    model = nn.Sequential(ShiftConv2d(3, 1, 1), nn.Flatten())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([0.25, -1.0, 0.0]).reshape(1, 3, 1, 1))
    images = torch.tensor([[63.75, 0.25, 1.0], [4.0, 0.0, 0.0]])[:, :, None, None]
    network = convert(quantize_(model, images, QuantizationConfig()), "hand")
    layer = network.layers[0]
    assert (network.name, network.input.exponent, network.input.zero_point) == ("hand", -2, 0)
    assert layer.weight.ravel().tolist() == [1, -4, 0]
    assert layer.bias.tolist() == [0]
    # The scale is below 1, so the finest step of the logits is 2^-3: half a unit's scale.
    assert (layer.output.exponent, layer.multiplier[0] / 2**layer.shift) == (-3, 0.5)
    assert model(images).tolist() == [[15.75], [1.0]]  # 15.6875 lies half way between two steps: rounded up


def test_a_model_that_is_not_quantized_is_refused():
    with pytest.raises(NomulError, match=r"not quantized: call quantize_\("):
        convert(nn.Sequential(L1Conv2d(1, 1, 1)), "float")


def test_a_network_without_a_single_pixel_at_its_end_is_refused():
    model = quantize_(nn.Sequential(L1Conv2d(1, 2, 1)), torch.rand(2, 1, 3, 3), QuantizationConfig())
    with pytest.raises(NomulError, match="layer '0': the last layer must have a 1×1 map"):
        convert(model, "map")


def test_the_network_survives_its_file(tmp_path):
    model = nn.Sequential(L1Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), ShiftConv2d(4, 2, 2))
    network = convert(quantize_(model, torch.rand(8, 1, 4, 4), QuantizationConfig()), "file")
    digest = network.save(tmp_path / "a.network")
    assert IntegerNetwork.load(tmp_path / "a.network").hash == digest == network.hash
