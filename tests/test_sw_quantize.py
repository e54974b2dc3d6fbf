import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from nomul.sw import golden, reference
from nomul.sw.convert import convert
from nomul.sw.layers import L1Conv2d, L1Linear, PowerSumConv2d, ShiftConv2d
from nomul.sw.network import Add, ArrayLayer, AveragePool, MaxPool
from nomul.sw.quantization_config import LayerBits, QuantizationConfig
from nomul.sw.quantize import QuantizationError, quantize_
from nomul.sw.quantized import QuantizedInput

from .quantizable import NETS, Residual, images, pooled, strided, trained


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("bits", [8, 5])
def test_the_quantized_model_equals_golden_and_reference_on_every_tensor(name, bits, signed):
    model = trained(NETS[name], signed=signed)
    quantize_(model, images(64, signed=signed), QuantizationConfig(activation_bits=bits, l1_weight_bits=bits))
    network = convert(model, name)
    seen = {}

    def keep(module, _, values):
        if isinstance(module, QuantizedInput):
            seen["input"] = values, module.grid
        elif hasattr(module, "layer"):
            seen[module.layer.name] = values, module.layer.output

    for module in model.modules():
        module.register_forward_hook(keep)
    test_images = images(100, signed=signed) * 1.2  # some are clipped
    model(test_images)
    codes = network.encode_images(test_images.numpy())
    tensors = golden.trace(network, codes)
    assert list(seen) == list(tensors)
    for tensor, (values, grid) in seen.items():
        real = np.ldexp(tensors[tensor].astype(np.float64) - grid.zero_point, grid.exponent)
        assert np.array_equal(values.numpy().reshape(real.shape), real), tensor
    for tensor, expected in reference.trace(network, codes[:20]).items():
        assert np.array_equal(tensors[tensor][:20], expected), tensor


@pytest.mark.parametrize("name", NETS)
def test_the_quantized_model_stays_close_to_the_float_model(name):
    model = trained(NETS[name])
    with torch.no_grad():
        before = model(images(200))
        after = quantize_(model, images(200), QuantizationConfig())(images(200))
    assert (after - before).std() < 0.05 * before.std()


def test_layers_of_the_network_are_those_of_the_model():
    network = convert(quantize_(trained(Residual), images(16), QuantizationConfig()), "residual")
    assert [(layer.name, type(layer)) for layer in network.layers] == [
        ("stem", ArrayLayer), ("left", ArrayLayer), ("add", Add), ("right", ArrayLayer), ("add_1", Add),
        ("pool", AveragePool), ("classifier", ArrayLayer)]
    assert [layer.inputs for layer in network.layers] == [
        ("input",), ("stem",), ("stem", "left"), ("add",), ("add", "right"), ("add_1",), ("pool",)]
    pool = convert(quantize_(trained(pooled), images(16), QuantizationConfig()), "pooled").layers[1]
    assert (type(pool), pool.kernel, pool.stride) == (MaxPool, (3, 3), (2, 2))


def test_tensors_are_unsigned_where_they_cannot_be_negative():
    network = convert(quantize_(trained(strided), images(16), QuantizationConfig()), "strided")
    # The last but two is a shift layer whose output goes into an L1 layer as it is.
    assert [tensor.zero_point for tensor in network.tensors.values()] == [0, 0, 128, 0, 0]


def test_an_input_of_sixteenths_is_exact():
    sixteenths = (images(16) * 16).round() / 16
    network = convert(quantize_(trained(strided), sixteenths, QuantizationConfig()), "strided")
    codes = network.encode_images(sixteenths.numpy())
    assert np.array_equal(codes / 128, sixteenths.numpy())


def test_quantizing_works_in_place_and_a_copy_is_a_copy():
    model = trained(Residual)
    assert quantize_(model, images(16), QuantizationConfig()) is model
    twin, expected = copy.deepcopy(model), model(images(4))
    model.stem = nn.Identity()
    assert torch.equal(twin(images(4)), expected)


def test_a_relu_after_the_last_layer_bounds_the_logits():
    model = trained(lambda: nn.Sequential(ShiftConv2d(2, 3, 8), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten()))
    assert quantize_(model, images(16), QuantizationConfig())(images(50)).min() == 0


@pytest.mark.parametrize(("relu", "limit"), [(nn.ReLU6(), 6), (nn.Hardtanh(0, 3), 3)])
def test_a_limited_relu_limits_the_codes(relu, limit):
    model = nn.Sequential(ShiftConv2d(2, 3, 1, bias=True), relu, L1Conv2d(3, 2, 8), nn.Flatten()).eval()
    with torch.no_grad():
        model[0].bias.fill_(9)      # beyond the limit, whatever the weights
    first = convert(quantize_(model, images(64), QuantizationConfig()), "limited").layers[0]
    assert math.ldexp(first.upper, first.output.exponent) == limit


def test_a_hardtanh_below_zero_is_refused():
    model = nn.Sequential(ShiftConv2d(2, 3, 8), nn.Hardtanh(), nn.Flatten())
    with pytest.raises(QuantizationError, match="node '1': a Hardtanh must begin at 0, as a ReLU, not at -1"):
        quantize_(model, images(4), QuantizationConfig())


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(3), nn.Identity()], ids=["norm", "no norm"])
def test_a_shift_layers_bias_becomes_part_of_the_integer_bias(norm):
    model = trained(lambda: nn.Sequential(ShiftConv2d(2, 3, 8, bias=True), norm, nn.Flatten()))
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([0.0, 10.0, -10.0]))
    expected = model(images(50)).detach()
    found = quantize_(model, images(16), QuantizationConfig())(images(50))
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


def test_layers_with_bits_of_their_own_equal_golden_and_reference():
    config = QuantizationConfig(7, l1_weight_bits=7, layers={
        "stem": LayerBits(activation_bits=3), "left": LayerBits(5, 2), "add_1": LayerBits(activation_bits=4)})
    model = quantize_(trained(Residual), images(64), config)
    network = convert(model, "mixed")
    codes = network.encode_images(images(100).numpy())
    tensors = golden.trace(network, codes)
    logits = np.ldexp(tensors["classifier"].astype(float), network.layers[-1].output.exponent)
    assert np.array_equal(model(images(100)).numpy(), logits.reshape(100, -1))
    for tensor, expected in reference.trace(network, codes[:20]).items():
        assert np.array_equal(tensors[tensor][:20], expected), tensor
    largest = {name: int(tensor.max()) for name, tensor in tensors.items()}
    assert (largest["stem"], largest["add_1"]) == (7, 15)
    assert 15 < largest["left"] <= 31
    assert largest["pool"] <= 15
    heaviest = {layer.name: int(layer.weight.max()) for layer in network.layers if isinstance(layer, ArrayLayer)}
    assert heaviest["left"] == 3
    assert 7 < heaviest["classifier"] <= 15     # as its input


def test_bits_for_a_layer_that_there_is_not_are_refused():
    with pytest.raises(QuantizationError, match="no layer 'stern' to have bits of its own; the layers are stem, left,"):
        quantize_(trained(Residual), images(4), QuantizationConfig(layers={"stern": LayerBits(3)}))


@pytest.mark.parametrize(("values", "message"), [
    ({"activation_bits": 9}, "activation_bits must be one of 2, 3, 4, 5, 6, 7, 8, not 9"),
    ({"shift_exponents": 3}, "shift_exponents must be one of 2, 4, 8, not 3"),
    ({"activation_bits": 4, "l1_weight_bits": 5}, "l1_weight_bits must be one of 2, 3, 4, not 5"),
    ({"activation_bits": 3, "l1_weight_bits": 3, "layers": {"0": LayerBits(4)}},
     "activation_bits of layer '0' must be one of 2, 3, not 4"),
    ({"layers": {"0": LayerBits(l1_weight_bits=1)}}, "l1_weight_bits of layer '0' must be one of 2, .* not 1"),
])
def test_impossible_configurations_are_refused(values, message):
    with pytest.raises(QuantizationError, match=message):
        QuantizationConfig(**values)


def chain(*layers, features=128):
    return nn.Sequential(*layers, nn.Flatten(), L1Linear(features, 3))


def nine_exponents():
    layer = ShiftConv2d(1, 2, 3, min_exponent=-8)
    with torch.no_grad():
        layer.weight[1] = 2.0 ** -torch.arange(9.0).reshape(1, 3, 3)
    return nn.Sequential(L1Conv2d(2, 1, 6), layer)


class Calling(nn.Module):
    """A model whose forward is a function of (its layer, x)."""

    def __init__(self, function):
        super().__init__()
        self.layer, self.norm, self.last = L1Conv2d(2, 2, 1), nn.BatchNorm2d(2), L1Conv2d(2, 3, 8)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


@pytest.mark.parametrize(("model", "message"), [
    (chain(nn.Conv2d(2, 2, 1)), "node '0': Conv2d is not supported; it multiplies: use L1Conv2d, .*, or convert_; sup"),
    (chain(PowerSumConv2d(2, 64, 3, terms=3, bits=4), features=2304), "the shift weights' exponents span .* fewer"),
    (chain(nn.SiLU()), "supported are L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear, .* MaxPool2d"),
    (chain(nn.Flatten(), nn.Linear(128, 128)), "node '1': Linear .* use L1Linear, ShiftLinear, .* or SignLinear"),
    (chain(nn.Sigmoid()), "node '0': Sigmoid is not supported; supported are"),
    (chain(nn.BatchNorm2d(2)), "node '0': a batch norm must directly follow a layer"),
    (chain(L1Conv2d(2, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)), "node '2': a batch norm must directly follow"),
    (chain(L1Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)), "node '1': .*track_running_stats=True"),
    (chain(L1Conv2d(2, 2, 1), nn.MaxPool2d(1), nn.ReLU()), "put it before the max pooling"),
    (chain(L1Conv2d(2, 2, 1), nn.MaxPool2d(3, 1, padding=1, dilation=2), features=72), "layer '1': .* dilation 1"),
    (chain(L1Conv2d(2, 2, 1), nn.MaxPool2d(3, 2, ceil_mode=True), features=32), "pooling has no ceil_mode"),
    (chain(L1Conv2d(2, 2, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)), "layer '1': .* count_include_pad must"),
    (chain(L1Conv2d(2, 2, 1), nn.Upsample(scale_factor=3), features=1152), "layer '1': upsampling must be by 2"),
    (chain(L1Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d(3), features=18), "node '1': adaptive .* to 3×3 has windows"),
    (nn.Sequential(L1Conv2d(2, 2, 1), nn.AdaptiveAvgPool2d(1)), "must return the output of its last layer"),
    (nine_exponents(), "layer '1': .* span 9 values, -8 to 0, but the hardware has 8"),
    (chain(L1Conv2d(3, 2, 1)), r"fails on calibration images of shape \(4, 2, 8, 8\): .* 3 input channels"),
    (Calling(lambda m, x: m.last(m.layer(m.layer(x)))), r"node 'layer' \(.*\): the layer is called twice"),
    (Calling(lambda m, x: m.last(m.layer(x) * 2)), r"node 'mul' \(test_sw_quantize.py:\d+\): mul is not supported"),
    (Calling(lambda m, x: m.last(m.layer(x) + 1)), r"node 'add' \(.*\): add is not supported but for two tensors"),
    (Calling(lambda m, x: m.last(m.layer(x) if x.sum() > 0 else x)), r"exported \(test_.*py:\d+\): .* depends"),
    (Calling(lambda m, x: m.last((y := m.layer(x)) + torch.relu(y))), r"node 'relu' \(.*\): the ReLU's input is used"),
    (Calling(lambda m, x: (m.layer(x), m.last(x))[1]), r"node 'layer' \(.*\): nothing reads its output; leave it out"),
    (Calling(lambda m, x: (m.last(m.layer(x)), x)), "must return the output of its last layer"),
    (Calling(lambda m, x: m.last(torch.relu(m.layer(x).reshape(4, 4, 32)).reshape(4, 2, 8, 8))), "read as .4, 32.; o"),
    (Calling(lambda m, x: m.last(m.layer(x).transpose(2, 3))), "transpose is not supported"),
])
def test_unsupported_models_are_refused_by_node_and_left_unchanged(model, message):
    before = repr(model)
    with pytest.raises(QuantizationError, match=message) as caught:
        quantize_(model, images(4), QuantizationConfig())
    assert "\n" not in str(caught.value)
    assert repr(model) == before


@pytest.mark.parametrize(("name", "value"), [("weight", math.nan), ("running_var", math.inf)])
def test_numbers_that_are_not_finite_are_named(name, value):
    model = trained(strided)
    index = {"weight": 4, "running_var": 1}[name]
    with torch.no_grad():
        getattr(model[index], name).view(-1)[0] = value
    with pytest.raises(QuantizationError, match=f"^layer '{index}': its {name} is not finite; train the model again"):
        quantize_(model, images(4), QuantizationConfig())


def test_calibration_images_must_be_finite():
    broken = images(4)
    broken[1, 0, 2, 3] = math.inf
    with pytest.raises(QuantizationError, match="calibration_images must be finite"):
        quantize_(trained(strided), broken, QuantizationConfig())


@pytest.mark.parametrize("broken", [torch.zeros(2, 8, 8), torch.zeros(0, 2, 8, 8)])
def test_calibration_needs_a_batch_of_images(broken):
    with pytest.raises(QuantizationError, match="calibration_images must have the shape"):
        quantize_(trained(strided), broken, QuantizationConfig())


def test_calibration_images_must_be_real_numbers():
    with pytest.raises(QuantizationError, match="calibration_images must be real numbers .* not int64"):
        quantize_(trained(strided), images(4).long(), QuantizationConfig())


def test_a_model_that_diverged_is_refused():
    model = trained(strided)
    nn.init.constant_(model[5].weight, 3e38)     # finite, but not their sum
    with pytest.raises(QuantizationError, match="layer '5': its outputs are not finite"):
        quantize_(model, images(4), QuantizationConfig())


def test_two_inputs_are_refused():
    class Two(nn.Module):
        def forward(self, a, b):
            return a + b

    with pytest.raises(QuantizationError, match="node 'b': the model must have one input"):
        quantize_(Two(), images(4), QuantizationConfig())


@pytest.mark.parametrize("name", NETS)
def test_the_quantized_model_is_exported_with_all_of_its_integers(name):
    model = quantize_(trained(NETS[name]), images(64), QuantizationConfig())
    exported = torch.export.export(model, (images(2),)).module()
    assert torch.equal(exported(images(2)), model(images(2)))
    layer = next(layer for layer in convert(model, name).layers if isinstance(layer, ArrayLayer))
    weights = [value for key, value in exported.state_dict().items() if key.endswith("weight")]
    assert np.array_equal(weights[0].numpy(), layer.weight)
