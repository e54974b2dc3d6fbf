import dataclasses

import pytest
import torch
from torch import nn

from nomul.sw import train as training
from nomul.sw.data import Dataset
from nomul.sw.layers import L1Conv2d, ShiftConv2d
from nomul.sw.models import MODELS
from nomul.sw.train import RECIPES, Progress, Recipe, accuracy, train

RECIPE = Recipe(epochs=4, batch=16)


def stripes():
    """Horizontal against vertical stripes: 64 images to train, 32 to test."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 2
    pattern = (torch.arange(8) % 2).float().expand(8, 8)
    images = torch.stack([pattern if label else pattern.T for label in labels])[:, None]
    images = (images + 0.3 * torch.rand(images.shape, generator=generator)).clamp(0, 1)
    return Dataset("stripes", images[:64], labels[:64], images[64:], labels[64:])


def net():
    torch.manual_seed(1)
    return nn.Sequential(ShiftConv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), L1Conv2d(4, 2, 6), nn.BatchNorm2d(2),
                         nn.Flatten())


def test_training_learns_and_reports_every_epoch():
    model, seen = net(), []
    before = accuracy(model, stripes().test_images, stripes().test_labels)
    result = train(model, stripes(), dataclasses.replace(RECIPE, epochs=8), 0, seen.append)
    assert [(state.epoch, state.epochs) for state in seen] == [(n, 8) for n in range(1, 9)]
    assert isinstance(seen[0], Progress)
    assert seen[-1].loss == result.loss < 0.7 * seen[0].loss
    assert result.accuracy == 100 > before
    assert not model.training


def test_the_seed_decides_everything():
    def weights(seed):
        torch.manual_seed(seed + 100)  # the global generator has no part in it
        model = net()
        train(model, stripes(), RECIPE, seed)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    first = weights(5)
    assert torch.equal(weights(5), first)
    assert not torch.equal(weights(6), first)


def test_l1_weights_have_their_own_learning_rate():
    model = net()
    rates = {id(parameter): group["lr"] for group in training._parameter_groups(model, RECIPE)
             for parameter in group["params"]}
    assert rates.pop(id(model[3].weight)) == RECIPE.adder_learning_rate
    assert set(rates.values()) == {RECIPE.learning_rate}
    assert len(rates) == 5


def test_models_without_l1_layers_have_one_group():
    assert len(training._parameter_groups(nn.Sequential(ShiftConv2d(1, 1, 1)), RECIPE)) == 1


def test_a_last_batch_of_one_image_is_left_out():
    batches = list(training._batches(stripes(), dataclasses.replace(RECIPE, batch=21), torch.Generator()))
    assert [len(labels) for _, labels in batches] == [21, 21, 21]


def test_accuracy_counts_in_percent():
    images = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 4.0], [1.0, 0.0]])
    assert accuracy(nn.Identity(), images, torch.tensor([0, 1, 0, 1])) == 75


def test_jitter_moves_an_image_by_a_fraction_of_a_pixel():
    image = torch.zeros(200, 1, 7, 7)
    image[:, 0, 3, 3] = 1
    moved = training._jitter(image, 0.5, torch.Generator().manual_seed(0))
    position = torch.arange(7.0)
    rows, columns = ((moved.sum(dim) * position).sum((1, 2)) - 3 for dim in (3, 2))
    torch.testing.assert_close(moved.sum((1, 2, 3)), torch.ones(200))  # interpolation keeps the sum inside the map
    for distance in (rows, columns):
        assert 0.4 < distance.abs().max() <= 0.5 + 1e-5
    assert (rows - columns).abs().max() > 0.4  # the two directions are independent


def test_without_jitter_images_stay_as_they_are():
    images = torch.rand(3, 1, 8, 8)
    assert training._jitter(images, 0, torch.Generator()) is images


def test_every_built_in_model_has_a_recipe():
    assert list(RECIPES) == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_recipes_train_each_model(name):
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(64, *MODELS[name].shape, generator=generator), torch.arange(64) % 10
    result = train(MODELS[name].make(), Dataset("noise", images, labels, images, labels),
                   dataclasses.replace(RECIPES[name], epochs=2))
    assert 0 <= result.accuracy <= 100
    assert result.loss > 0
