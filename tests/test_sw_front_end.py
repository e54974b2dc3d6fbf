import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nomul.sw import golden
from nomul.sw.convert import convert
from nomul.sw.front_end import lower_model
from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear
from nomul.sw.quantization_config import QuantizationConfig
from nomul.sw.quantize import QuantizationError, quantize_
from nomul.sw.steps import AveragePooling, Concatenation, MaxPooling, Upsampling, Weighted

from .quantizable import NETS, images, trained


class Net(nn.Module):
    """Two layers, with a function of (the net, a map of 4×8×8) in between that makes what `features` says of it."""

    def __init__(self, middle, features):
        super().__init__()
        self.middle = middle
        self.first, self.norm, self.relu = L1Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.last = L1Linear(features, 3)

    def forward(self, x):
        return self.last(self.middle(self, functional.relu(self.norm(self.first(x)))))


def net(middle, features):
    return trained(lambda: Net(middle, features))


FORMS = {
    "max_pool2d": (lambda net, x: functional.max_pool2d(x, 2).flatten(1), 64),
    "max_pool2d stride": (lambda net, x: functional.max_pool2d(x, 2, stride=3).flatten(1), 36),
    "avg_pool2d": (lambda net, x: functional.avg_pool2d(x, (2, 4), 2).reshape(-1, 48), 48),
    "adaptive_avg_pool2d": (lambda net, x: functional.adaptive_avg_pool2d(x, 1).view(x.size(0), -1), 4),
    "adaptive_avg_pool2d of parts": (lambda net, x: functional.adaptive_avg_pool2d(x, (4, 4)).flatten(1), 64),
    "mean": (lambda net, x: x.mean((2, 3)), 4),
    "mean of the last": (lambda net, x: x.mean((-1, -2), keepdim=True).squeeze(-1).squeeze(-1), 4),
    "add in place": (lambda net, x: net.pool(add_(x)).flatten(1), 64),
    "relu of a sum": (lambda net, x: net.pool(net.relu(x + functional.max_pool2d(x, 1))).flatten(1), 64),
    "pool twice": (lambda net, x: net.pool(net.pool(x)).flatten(1), 16),
    "dropout": (lambda net, x: functional.dropout(net.pool(x), training=net.training).flatten(1), 64),
    "control flow on shapes": (lambda net, x: (net.pool(x) if x.shape[-1] > 4 else x).flatten(1), 64),
    "float": (lambda net, x: net.pool(x.float().contiguous()).flatten(1), 64),
}


def add_(x):
    y = z = functional.max_pool2d(x, 1)
    y += x
    return z + y


@pytest.mark.parametrize("form", FORMS)
def test_functional_forms_equal_the_golden_model(form):
    model = quantize_(net(*FORMS[form]), images(32), QuantizationConfig())
    network = convert(model, "functional")
    logits = golden.run(network, network.encode_images(images(100).numpy()))
    exponent = network.layers[-1].output.exponent
    assert np.array_equal(model(images(100)).numpy(), np.ldexp(logits.astype(float), exponent))


def test_loops_over_modules_and_limits_as_functions():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions = nn.ModuleList([L1Conv2d(2, 4, 3), ShiftConv2d(4, 4, 3), L1Conv2d(4, 4, 3)])
            self.norms = nn.ModuleList([nn.BatchNorm2d(4) for _ in range(3)])
            self.last = ShiftLinear(16, 3)

        def forward(self, x):
            for layer, norm in zip(self.convolutions, self.norms, strict=True):
                x = norm(layer(x)).clamp(0, 6)
            return self.last(x.flatten(1))

    steps = lower_model(trained(Loop), images(4)).graph.steps
    assert [(step.name, step.relu, step.limit) for step in steps] == [
        ("convolutions.0", True, 6), ("convolutions.1", True, 6), ("convolutions.2", True, 6), ("last", False, np.inf)]
    assert [step.fused for step in steps] == [("norms.0",), ("norms.1",), ("norms.2",), ()]


@pytest.mark.parametrize("choose", [
    lambda y: y.argmax(dim=1), lambda y: torch.argmax(y, -1), lambda y: y.topk(2), lambda y: y.topk(2).indices,
    lambda y: y.max(1), lambda y: y.max(dim=1)[1]], ids=["argmax", "last", "topk", "indices", "max", "max index"])
def test_a_choice_of_classes_is_left_to_the_hardware(choose):
    class Choosing(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net(*FORMS["mean"])

        def forward(self, x):
            return choose(self.net(x))

    choosing = Choosing()
    plain = copy.deepcopy(choosing.net)
    quantize_(plain, images(32), QuantizationConfig())
    quantize_(choosing, images(32), QuantizationConfig())
    assert torch.equal(choosing(images(50)), plain(images(50)))
    assert [layer.name for layer in convert(choosing, "choosing").layers] == ["net.first", "mean", "net.last"]


READY = {
    "cat": (lambda net, x: torch.cat([x, net.pool(net.up(x)), x], 1).mean((2, 3)), 12,
            [Upsampling((2, 2)), MaxPooling((2, 2), (2, 2)), Concatenation()]),
    "interpolate": (lambda net, x: functional.interpolate(x, scale_factor=2, mode="nearest").flatten(1), 1024,
                    [Upsampling((2, 2))]),
    "interpolate to a size": (lambda net, x: functional.interpolate(x, size=(16, 8)).flatten(1), 512,
                              [Upsampling((2, 1))]),
    "pooling with padding": (lambda net, x: functional.max_pool2d(x, 3, 2, 1).flatten(1), 64,
                             [MaxPooling((3, 3), (2, 2), (1, 1))]),
    "dilated pooling": (lambda net, x: functional.max_pool2d(x, 3, 1, dilation=(2, 1)).flatten(1), 96,
                        [MaxPooling((3, 3), (1, 1), (0, 0), (2, 1))]),
    "average of 9": (lambda net, x: functional.avg_pool2d(x, 3, 3).flatten(1), 16, [AveragePooling((3, 3), (3, 3))]),
    "average with padding": (lambda net, x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False).flatten(1), 64,
                             [AveragePooling((3, 3), (2, 2), (1, 1), count_padding=False)]),
}


@pytest.mark.parametrize("form", READY)
def test_operations_are_read_with_their_numbers_and_run_for_any_number_of_images(form):
    middle, features, expected = READY[form]

    def make():
        module = Net(middle, features)
        module.up = nn.Upsample(scale_factor=2, mode="nearest")
        return module

    model = trained(make)
    lowered = lower_model(model, images(4))
    found = [step.operation for step in lowered.graph.steps if not isinstance(step.operation, Weighted)]
    assert found[:len(expected)] == expected
    torch.testing.assert_close(lowered.floats.module(images(7)), model(images(7)))


@pytest.mark.parametrize("layer", [
    L1Conv2d(2, 4, 3, groups=2), ShiftConv2d(2, 4, 3, dilation=(2, 1)), L1Conv2d(2, 4, (3, 1), stride=(2, 1)),
    L1Conv2d(2, 4, 3, padding=(0, 2))], ids=["groups", "dilation", "stride", "padding"])
def test_windows_of_all_kinds_are_steps(layer):
    model = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten(), L1Linear(4, 3)).eval()
    lowered = lower_model(model, images(4))
    assert lowered.graph.steps[0].operation.layer is layer
    assert lowered.graph.steps[0].shape == tuple(layer(images(1)).shape[1:])
    torch.testing.assert_close(lowered.floats.module(images(3)), model(images(3)))


@pytest.mark.parametrize("name", NETS)
def test_a_model_is_left_as_it_was_with_its_hooks(name):
    model = trained(NETS[name])
    seen = []
    for module in model.modules():
        module.register_forward_hook(lambda module, _, output: seen.append(module))
    before, attributes = copy.deepcopy(model.state_dict()), [set(module.__dict__) for module in model.modules()]
    lower_model(model, images(4))
    assert [set(module.__dict__) for module in model.modules()] == attributes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    seen.clear()
    model(images(2))
    assert len(seen) >= len(list(model.children()))


def test_passes_tell_what_they_did():
    told = []
    quantize_(trained(NETS["residual"]), images(4), QuantizationConfig(), lambda *note: told.append(note))
    assert [name for name, _ in told] == [
        "export", "read_graph", "drop_inert", "fuse_norms", "fuse_rectifications", "take_roundings", "drop_classes",
        "compare", "build_layers"]
    notes = dict(told)
    assert notes["export"] == "14 operations for images of 2×8×8"
    assert notes["drop_inert"] == "1 × inert operation, 13 steps left"
    assert notes["fuse_norms"] == "4 × batch norm, 9 steps left"
    assert notes["fuse_rectifications"] == "2 × ReLU, 7 steps left"
    assert notes["take_roundings"] == "no rounding"
    assert notes["build_layers"] == "7 integer layers, calibrated on 4 images"


def view_changed_in_place(net, x):
    y = net.pool(x)
    z = y.view(y.shape)
    y += net.pool(x)
    return (z + y).flatten(1)


@pytest.mark.parametrize(("middle", "features", "message"), [
    (lambda net, x: x[x > 0].reshape(4, -1), 64, "depends on tensors' values"),
    (lambda net, x: (x if float(x.mean()) > 0 else -x).flatten(1), 256, "what it computes depends on tensors' values"),
    (lambda net, x: x.nonzero().float(), 4, "layer 'last': the shape of its input depends on tensors' values"),
    (lambda net, x: (functional.relu(x), x.flatten(1))[1], 256, "node 'relu_1' .* nothing reads its output"),
    (lambda net, x: functional.max_pool2d(x, 3, ceil_mode=True).flatten(1), 36, "pooling has no ceil_mode"),
    (lambda net, x: functional.avg_pool2d(x, 2, divisor_override=3).flatten(1), 64, "has no divisor_override"),
    (lambda net, x: functional.interpolate(x, scale_factor=1.5).flatten(1), 576, "whole factors, not 1.5, 1.5"),
    (lambda net, x: functional.interpolate(x, scale_factor=2., mode="bilinear").flatten(1), 1024, "bilinear2d is not"),
    (lambda net, x: torch.cat([x, x], 2).flatten(1), 512, "along channels, dim=1, not dim=2"),
    (lambda net, x: torch.cat([x, torch.ones(4, 1, 8, 8)], 1).flatten(1), 320, "ones is not supported"),
    (lambda net, x: (x + x[:, :1]).flatten(1), 256, "slice is not supported"),
    (lambda net, x: (x + x.mean((2, 3), keepdim=True)).flatten(1), 256, "a sum's tensors must have one shape"),
    (lambda net, x: torch.add(x, x, alpha=2).flatten(1), 256, "add is not supported but for two tensors"),
    (lambda net, x: x.mean((1, 2)).flatten(1), 8, r"mean\(\(2, 3\)\), not over \[1, 2\]"),
    (lambda net, x: x.clamp(1, 2).flatten(1), 256, "a clamp must begin at 0, as a ReLU, not at 1"),
    (lambda net, x: functional.dropout(x).flatten(1), 256, "pass training=self.training"),
    (lambda net, x: x.double().float().flatten(1), 256, "a conversion to torch.float64 is not supported"),
    (lambda net, x: functional.batch_norm(x, torch.zeros(4), torch.ones(4)).flatten(1), 256, "ones|zeros|batch norm"),
    (lambda net, x: (x + x.argmax(1, keepdim=True)).flatten(1), 256, "a sum's tensors must have one shape"),
    (lambda net, x: x.flatten(1)[:, :-1], 256, "slice is not supported|fails on calibration"),
    (lambda net, x: x.flatten(1), 255, r"fails on .* \(4, 2, 8, 8\) \(.*\): layer 'last' takes 255 input features"),
    (lambda net, x: net.missing(x), 256, r"fails on .* \(test_sw_front_end.py:\d+\): .* no attribute 'missing'"),
    (view_changed_in_place, 64, "operations that change a tensor in place"),
])
def test_what_cannot_be_is_refused_by_node_and_line_in_silence(middle, features, message, capfd):
    model = Net(middle, features).eval()
    nn.init.constant_(model.norm.bias, 50)      # so that not all is 0 behind the ReLU
    attributes = [set(module.__dict__) for module in model.modules()]
    with pytest.raises(QuantizationError, match=message) as caught:
        lower_model(model, images(4))
    assert "\n" not in str(caught.value)
    assert [set(module.__dict__) for module in model.modules()] == attributes
    assert capfd.readouterr() == ("", "")


def test_the_line_is_the_users():
    class Sigmoid(Net):
        def forward(self, x):
            x = self.first(x)
            x = torch.sigmoid(x)
            return self.last(x.flatten(1))

    line = Sigmoid.forward.__code__.co_firstlineno + 2
    with pytest.raises(QuantizationError, match=rf"^node 'sigmoid' \(test_sw_front_end.py:{line}\): sigmoid is not"):
        lower_model(Sigmoid(None, 256).eval(), images(4))


class Random(nn.Module):
    """A random network of random functions, which it draws anew, the same ones, whenever it runs."""

    def __init__(self, seed):
        super().__init__()
        self.seed = seed
        generator = np.random.default_rng(seed)
        self.stem = L1Conv2d(2, 4, 3, padding=1)
        self.layers = nn.ModuleList([ShiftConv2d(4, 4, *((3, 1, 1) if generator.random() < 0.5 else (1,)))
                                     for _ in range(4)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(4) for _ in range(4)])
        self.joints = nn.ModuleList([L1Conv2d(8, 4, 2, 2) for _ in range(2)])
        self.pool, self.last = nn.AdaptiveAvgPool2d(1), ShiftLinear(4, 3)

    def forward(self, x):
        generator = np.random.default_rng(self.seed + 1)
        maps = [self.stem(x)]
        layers, joints = list(zip(self.layers, self.norms, strict=True)), list(self.joints)
        while layers or joints or len(maps) > 1:
            x = maps.pop(generator.integers(len(maps)))
            match generator.integers(8 if layers else 5):
                case 0 if maps:
                    y = x + maps.pop()
                    maps.append(y.relu() if generator.random() < 0.5 else y)
                case 1:
                    maps.append(functional.max_pool2d(x, 3, 1, 1))
                case 2:
                    maps.append(functional.dropout(x, 0.5, self.training).contiguous())
                case 3 if joints:
                    both = torch.cat([x, maps.pop() if maps else x], 1)
                    maps.append(joints.pop()(functional.interpolate(both, scale_factor=2)))
                case 4:
                    maps.append(functional.avg_pool2d(x, (1, 3), 1, (0, 1), count_include_pad=False))
                case _ if layers:
                    layer, norm = layers.pop()
                    maps += [x, functional.relu6(norm(layer(x)))]
                case _:
                    maps.append(x)
        return self.last(self.pool(maps[0]).flatten(1))


@pytest.mark.parametrize("seed", range(20))
def test_steps_of_random_networks_compute_what_the_networks_do(seed):
    model = trained(lambda: Random(seed))
    lowered = lower_model(model, images(2))
    torch.testing.assert_close(lowered.floats.module(images(5)), model(images(5)))
    kinds = [type(step.operation) for step in lowered.graph.steps]
    assert kinds.count(Weighted) == 8
    assert lowered.graph.steps[-1].name == "last"


@pytest.mark.parametrize(("model", "message"), [
    (nn.Identity(), "must return the output of its last layer"),
    (nn.Sequential(L1Conv2d(2, 3, 8), nn.Softmax(1)), "node '1': Softmax is not supported; leave it out"),
])
def test_a_model_must_end_with_logits(model, message):
    with pytest.raises(QuantizationError, match=message):
        lower_model(model.eval(), images(4))


@pytest.mark.parametrize("container", [list, tuple])
def test_a_model_returns_a_tensor(container):
    class Contained(Net):
        def forward(self, x):
            return container([super().forward(x)])

    with pytest.raises(QuantizationError, match=f"must return a tensor, the logits, not a {container.__name__}"):
        lower_model(Contained(*FORMS["mean"]).eval(), images(4))


def test_torch_no_grad_in_the_forward_changes_nothing():
    class Frozen(Net):
        def forward(self, x):
            with torch.no_grad():
                x = functional.max_pool2d(x, 1)
            return super().forward(x)

    steps = lower_model(Frozen(*FORMS["mean"]).eval(), images(4)).graph.steps
    assert [step.name for step in steps] == ["max_pool2d", "first", "mean", "last"]


def test_a_quantized_model_is_not_quantized_again():
    model = quantize_(trained(NETS["strided"]), images(4), QuantizationConfig())
    with pytest.raises(QuantizationError, match="the model is quantized already"):
        quantize_(model, images(4), QuantizationConfig())
