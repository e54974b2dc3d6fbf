import pytest
import torch
from torch import nn

from nomul.sw.geometry import LayerError
from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d, ShiftLinear
from nomul.sw.prune import make_permanent_, prune_


def model(form="q"):
    torch.manual_seed(0)
    return nn.Sequential(ShiftConv2d(2, 8, 3, form=form), L1Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                         ShiftLinear(128, 4, form=form))


def effective(layer):
    return (layer.quantized_weight() if isinstance(layer, ShiftConv2d | ShiftLinear) else layer.weight).detach()


def train(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    for _ in range(5):
        optimizer.zero_grad()
        network(torch.randn(16, 2, 6, 6)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("form", ["q", "ps", "frozen"])
@pytest.mark.parametrize("method", ["magnitude", "random"])
def test_pruned_weights_are_zero_and_stay_so_while_the_others_train(form, method):
    network = prune_(model(form), 0.6, method=method, generator=torch.Generator().manual_seed(0))
    layers = [network[0], network[1], network[5]]
    masks = [module.mask for module in network.modules() if hasattr(module, "mask")]
    for mask in masks:
        assert (mask == 0).sum() == round(0.6 * mask.numel())
    before = effective(network[1])
    train(network)
    for layer, mask in zip(layers, masks, strict=True):
        assert not effective(layer)[mask == 0].any()
    assert not torch.equal(effective(network[1]), before)


def test_magnitude_takes_the_smallest_weights_of_each_layer():
    layer = L1Linear(4, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, -1.0, 0.5, -2.0]]))
    prune_(nn.Sequential(layer), 0.5)
    assert layer.weight.tolist() == [[3, 0, 0, -2]]
    assert layer(torch.zeros(1, 4)).item() == -5


@pytest.mark.parametrize(("kinds", "pruned"), [(("shift",), [True, False, True]), (("l1",), [False, True, False])])
def test_either_kind_can_be_pruned_alone(kinds, pruned):
    network = prune_(model(), 1.0, kinds=kinds)
    assert [not effective(network[index]).any() for index in (0, 1, 5)] == pruned


@pytest.mark.parametrize("form", ["q", "ps", "frozen"])
def test_made_permanent_it_is_an_ordinary_network_again(form):
    network, x = prune_(model(form), 0.7).eval(), torch.randn(3, 2, 6, 6)
    expected = network(x)
    fresh = model(form).eval()
    fresh.load_state_dict(make_permanent_(network).state_dict())
    assert torch.equal(network(x), expected)
    assert torch.equal(fresh(x), expected)
    assert type(network[0]) is ShiftConv2d


@pytest.mark.parametrize(("arguments", "message"), [
    ({"fraction": 1.5}, "fraction must be 0 to 1, not 1.5"),
    ({"kinds": ("conv",)}, "unknown kind 'conv' of layers; known are shift, l1"),
    ({"method": "x"}, "method must be 'magnitude' or 'random', not 'x'"),
])
def test_other_arguments_are_refused(arguments, message):
    with pytest.raises(LayerError, match=message):
        prune_(model(), **arguments)


@pytest.mark.parametrize(("kinds", "named"), [(("shift", "l1"), "shift or l1"), (("l1",), "l1")])
def test_a_network_without_such_layers_is_refused(kinds, named):
    with pytest.raises(LayerError, match=f"nothing to prune: the network has no layers of kind {named}$"):
        prune_(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(2, 3)), kinds=kinds)


def test_pruning_twice_needs_the_first_to_be_permanent():
    network = prune_(model(), 0.3)
    with pytest.raises(LayerError, match="layer '0' is pruned already: call make_permanent_"):
        prune_(network, 0.6)
    assert (prune_(make_permanent_(network), 0.6)[1].weight == 0).float().mean().item() == pytest.approx(0.6, abs=0.01)
