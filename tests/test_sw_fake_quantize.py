import numpy as np
import pytest
import torch

from nomul.sw import golden
from nomul.sw.convert import convert
from nomul.sw.fake_quantize import fake_quantize
from nomul.sw.layers import L1Conv2d
from nomul.sw.network import Tensor
from nomul.sw.on_grid import ActivationsOnGrid, WeightsOnGrid
from nomul.sw.quantize import QuantizationConfig, QuantizationError, quantize_

from .quantizable import NETS, images, trained


def test_activations_become_the_nearest_codes_within_their_range_and_gradients_pass():
    rounding = ActivationsOnGrid(Tensor(1, 1, 1, zero_point=1, exponent=-1), largest=3)     # -0.5, 0, 0.5, 1
    x = torch.tensor([-2.0, -0.6, -0.25, 0.2, 0.25, 0.9, 1.4], requires_grad=True)
    rounded = rounding(x)
    assert rounded.tolist() == [-0.5, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0]
    rounded.sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 1, 1, 0]


def test_weights_within_the_range_are_rounded_and_those_beyond_keep_their_value():
    rounding = WeightsOnGrid(Tensor(1, 1, 1, zero_point=0, exponent=-1), largest=3)         # 0 to 1.5
    weight = torch.tensor([-0.7, 0.1, 0.3, 1.3, 1.5, 2.2], requires_grad=True)
    rounded = rounding(weight)
    assert torch.equal(rounded, torch.tensor([-0.7, 0.0, 0.5, 1.5, 1.5, 2.2]))
    rounded.sum().backward()
    assert weight.grad.tolist() == [1] * 6


@pytest.mark.parametrize("name", NETS)
def test_its_tensors_are_those_of_the_integers_but_for_the_rounding_of_batch_norms(name):
    config = QuantizationConfig(5, l1_weight_bits=5)
    fake = fake_quantize(trained(NETS[name]), images(20), config)
    kept = {}
    for path, module in fake.named_modules():
        if isinstance(module, ActivationsOnGrid):
            module.register_forward_hook(lambda module, _, output, path=path: kept.update(
                {path: (output / 2.0**module.grid.exponent + module.grid.zero_point).detach().numpy()}))
    test = images(50)[20:]
    logits = fake.eval()(test).detach().numpy()
    own_codes = dict(kept)
    network = convert(quantize_(fake, images(20), config), "fake")
    exact = golden.trace(network, network.encode_images(test.numpy()))
    last = network.layers[-1]
    assert set(own_codes) == {f"{tensor}_on_grid".replace(".", "_") for tensor in exact} - {f"{last.name}_on_grid"}
    for tensor, codes in exact.items():
        if tensor == last.name:
            own, codes = logits / 2.0**last.output.exponent, codes.reshape(logits.shape)
            assert np.abs(own - codes).mean() < 0.5 + 0.02 * np.abs(codes).max(), tensor
        else:
            own = own_codes[f"{tensor}_on_grid".replace(".", "_")].reshape(codes.shape)
            assert np.abs(own - codes).max() <= 2, tensor
            assert np.abs(own - codes).mean() < 0.1, tensor


def test_the_integers_have_the_grids_that_training_was_for_whatever_the_images_are():
    config = QuantizationConfig(4, l1_weight_bits=4)
    fake = fake_quantize(trained(NETS["strided"]), images(20), config)
    grids = {name: (module.grid.exponent, module.grid.zero_point) for name, module in fake.named_modules()
             if isinstance(module, ActivationsOnGrid)}
    network = convert(quantize_(fake, images(20) / 16, config), "fake")
    exponents = {layer.name: (layer.output.exponent, layer.output.zero_point) for layer in network.layers[:-1]}
    exponents["input"] = network.input.exponent, network.input.zero_point
    assert {f"{name}_on_grid": grid for name, grid in exponents.items()} == {
        name.removeprefix("_"): grid for name, grid in grids.items()}


def test_training_makes_the_integers_better():
    config = QuantizationConfig(2, l1_weight_bits=2)
    calibration, test = images(40), images(300)[40:]
    model = trained(NETS["strided"])
    with torch.no_grad():
        wanted = model(test)

    def error(network):
        with torch.no_grad():
            return float((network(test) - wanted).square().mean())

    before = error(quantize_(trained(NETS["strided"]), calibration, config))
    fake = fake_quantize(model, calibration, config)
    optimizer = torch.optim.Adam(fake.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        (fake(test) - wanted).square().mean().backward()
        optimizer.step()
    assert error(quantize_(fake.eval(), calibration, config)) < 0.7 * before


def test_layers_are_the_models_own_and_train_through_the_rounding():
    model = trained(NETS["strided"])
    fake = fake_quantize(model, images(20), QuantizationConfig(4, l1_weight_bits=4))
    first = model[0]
    assert isinstance(first, L1Conv2d)
    assert fake.get_submodule("0") is first
    fake(images(4)).sum().backward()
    assert first.parametrizations.weight.original.grad.abs().sum() > 0


def test_a_model_that_rounds_already_is_refused():
    fake = fake_quantize(trained(NETS["signs"]), images(20), QuantizationConfig())
    with pytest.raises(QuantizationError, match="has rounding in between already: train it, or quantize it"):
        fake_quantize(fake, images(20), QuantizationConfig())
