import dataclasses
import json
import re

import pytest
import torch
from torch import nn

from nomul.sw.batches import batches
from nomul.sw.data import Dataset
from nomul.sw.geometry import LayerError
from nomul.sw.layers import L1Conv2d, ShiftConv2d
from nomul.sw.models import build
from nomul.sw.recipe import Recipe, load_recipe, recipe_names
from nomul.sw.train import Epoch, Training, TrainingError, accuracy, train

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
    assert isinstance(seen[0], Epoch)
    assert seen[-1].loss == result.loss < 0.7 * seen[0].loss
    assert seen[-1].accuracy == result.accuracy == 100 > before
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


def test_a_last_batch_of_one_image_is_left_out():
    steps = list(batches(stripes(), dataclasses.replace(RECIPE, batch=21), torch.Generator()))
    assert [len(labels) for _, labels in steps] == [21, 21, 21]


def test_accuracy_counts_in_percent():
    images = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 4.0], [1.0, 0.0]])
    assert accuracy(nn.Identity(), images, torch.tensor([0, 1, 0, 1])) == 75


def test_images_are_augmented_in_training_only():
    recipe = Recipe(batch=64, jitter=0, crop=2, flip=True)
    (images, _), = batches(stripes(), recipe, torch.Generator().manual_seed(0))
    plain, _ = next(batches(stripes(), Recipe(batch=64, jitter=0), torch.Generator().manual_seed(0)))
    assert images.shape == plain.shape
    assert (images != plain).flatten(1).any(1).float().mean() > 0.9
    model = net()
    assert train(model, stripes(), dataclasses.replace(recipe, epochs=2)).accuracy == accuracy(
        model, stripes().test_images, stripes().test_labels)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_its_network(name):
    recipe = load_recipe(name)
    shape = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32), "folder": (3, 64, 64)}[recipe.data]
    images, labels = torch.rand(10, *shape, generator=torch.Generator().manual_seed(0)), torch.arange(10)
    recipe = dataclasses.replace(recipe, epochs=1, batch=5, threads=1, schedule="cosine", milestones=())
    model = build(recipe, shape, 10)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result = train(model, Dataset("noise", images, labels, images, labels), recipe)
    assert 0 <= result.accuracy <= 100
    assert result.loss > 0
    trained = dict(model.named_parameters())
    assert {key for key, value in model.state_dict().items() if key in trained and torch.equal(value, before[key])} \
        == {key for key, parameter in trained.items() if not parameter.requires_grad}


def test_chance_within_layers_comes_from_the_seed_too():
    def weights(seed):
        torch.manual_seed(seed + 100)
        model = nn.Sequential(*net()[:3], nn.Dropout(0.5), *net()[3:])
        train(model, stripes(), RECIPE, seed)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    torch.manual_seed(7)
    expected = torch.rand(3)
    first = weights(5)
    assert torch.equal(weights(5), first)
    assert not torch.equal(weights(6), first)
    torch.manual_seed(7)
    train(net(), stripes(), RECIPE)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(3), expected)


def ordinary():
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 6), nn.BatchNorm2d(2),
                         nn.Flatten())


def two_adders():
    torch.manual_seed(1)
    return nn.Sequential(L1Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), L1Conv2d(4, 2, 6), nn.BatchNorm2d(2),
                         nn.Flatten())


def test_a_teacher_is_trained_beside_the_model_which_learns_from_it():
    def weights(teacher, seed=0):
        torch.manual_seed(seed + 100)
        model = two_adders()
        Training(model, stripes(), RECIPE, seed, teacher).run()
        assert len(model.state_dict()) == len(two_adders().state_dict())    # nothing of the teacher's
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    teacher, alone = ordinary(), ordinary()
    taught = weights(teacher)
    assert torch.equal(weights(ordinary()), taught)
    assert not torch.equal(weights(None), taught)
    # The teacher learns as it would without a student but for the images' order, which the seed decides.
    Training(alone, stripes(), RECIPE, 0).run()
    for ours, theirs in zip(teacher.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_training_with_a_teacher_goes_on_after_it_was_stopped():
    class Stop(Exception):
        pass

    def stop(epoch):
        if epoch.epoch == 2:
            raise Stop

    whole = Training(two_adders(), stripes(), RECIPE, 3, ordinary())
    whole.run()
    stopped = Training(two_adders(), stripes(), RECIPE, 3, ordinary())
    with pytest.raises(Stop):
        stopped.run(stop)
    again = Training(two_adders(), stripes(), RECIPE, 3, ordinary())
    again.restore(*stopped.state())
    again.run()
    for ours, theirs in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_teacher_of_another_build_is_refused():
    with pytest.raises(LayerError, match="the student has 2 L1Conv2d and the teacher 1 Conv2d"):
        Training(two_adders(), stripes(), RECIPE, 0, ordinary()[:3])


def zeros(model):
    """Part of the weights of each layer with which it computes that are 0."""
    return [float((layer.weight == 0).float().mean()) for layer in model if isinstance(layer, L1Conv2d | ShiftConv2d)]


def test_part_of_the_weights_is_pruned_in_the_middle_and_stays_so():
    model, seen = net(), []
    recipe = dataclasses.replace(RECIPE, pruned=0.25)
    training = Training(model, stripes(), recipe)
    training.run(lambda epoch: seen.append(zeros(model)))
    assert seen == [[0, 0]] * 2 + [[0.25, 0.25]] * 2
    assert zeros(model) == [0.25, 0.25]
    assert model.state_dict().keys() == net().state_dict().keys()


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_pruned_training_goes_on_after_it_was_stopped(done):
    recipe = dataclasses.replace(RECIPE, pruned=0.25)

    class Stop(Exception):
        pass

    def stop(epoch):
        if epoch.epoch == done:
            raise Stop

    whole, stopped, again = (Training(net(), stripes(), recipe) for _ in range(3))
    whole.run()
    with pytest.raises(Stop):
        stopped.run(stop)
    again.restore(*stopped.state())
    again.run()
    for ours, theirs in zip(again.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def broken(place):
    """A network that diverges at once."""
    model = net()
    with torch.no_grad():
        if place == "weight":
            model[3].weight[1, 0, 0, 0] = float("nan")
        elif place == "overflow":
            model[0].weight.fill_(1)
            model[1].weight.fill_(3e38)
        else:
            model[1].running_mean[0] = float("inf")  # no training step looks at it
    return model


@pytest.mark.parametrize(("place", "message"), [
    ("weight", "diverged in epoch 1, layer '3': its weight is not finite; lower learning_rate (0.004) or adder_"),
    ("overflow", "diverged in epoch 1, layer '1': its output is not finite"),
    ("statistic", "diverged in epoch 1, layer '1': its running_mean is not finite"),
])
def test_a_training_that_diverges_stops_and_names_the_layer(place, message):
    with pytest.raises(TrainingError, match=re.escape(message)) as caught:
        train(broken(place), stripes(), RECIPE)
    assert "\n" not in str(caught.value)


def test_a_teacher_that_diverges_is_named():
    teacher = ordinary()
    with torch.no_grad():
        teacher[3].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(TrainingError, match="layer 'teacher.3': its weight is not finite"):
        Training(two_adders(), stripes(), RECIPE, 0, teacher).run()


@pytest.mark.parametrize(("place", "message"), [("weight", "'3': its weight"), ("overflow", "'1': its output")])
def test_a_pruned_layer_that_diverges_is_named_as_it_was(place, message):
    with pytest.raises(TrainingError, match=f"layer {message} is not finite"):
        train(broken(place), stripes(), dataclasses.replace(RECIPE, pruned=0.25, epochs=1))


def test_pruning_where_nothing_can_be_pruned_is_refused_before_the_training():
    with pytest.raises(LayerError, match="nothing to prune"):
        Training(ordinary(), stripes(), dataclasses.replace(RECIPE, pruned=0.25))


def test_far_too_large_a_rate_diverges():
    with pytest.raises(TrainingError, match=r"layer '\d': its \w+ is not finite; lower learning_rate \(1e\+30\)"):
        train(net(), stripes(), dataclasses.replace(RECIPE, learning_rate=1e30, epochs=20))


@pytest.mark.parametrize("recipe", [
    RECIPE, dataclasses.replace(RECIPE, optimizer="sgd", schedule="cosine", weight_decay=1e-3, crop=1, flip=True),
    dataclasses.replace(RECIPE, optimizer="radam", schedule="steps", milestones=(1, 3))], ids=lambda one: one.optimizer)
@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_training_that_is_taken_up_equals_the_uninterrupted_one_in_every_bit(recipe, after):
    def new():
        return nn.Sequential(*net()[:3], nn.Dropout(0.2), *net()[3:])

    torch.manual_seed(0)
    whole = Training(new(), stripes(), recipe, 3)
    expected = whole.run()

    class Killed(Exception):
        pass

    def kill(epoch):
        if epoch.epoch == after:
            raise Killed

    torch.manual_seed(1)
    first = Training(new(), stripes(), recipe, 3)
    if after:
        with pytest.raises(Killed):
            first.run(kill)
    values, arrays = first.state()
    values = json.loads(json.dumps(values))
    torch.manual_seed(2)
    second = Training(new(), stripes(), recipe, 3)
    second.restore(values, arrays)
    assert second.run() == expected
    for one, other in zip(second.history, whole.history, strict=True):
        assert dataclasses.replace(one, seconds=0) == dataclasses.replace(other, seconds=0)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[key], value), key


def test_steps_are_reported_with_their_losses():
    seen = []
    Training(net(), stripes(), RECIPE).run(step_done=lambda done, loss: seen.append((done, loss)))
    assert [done for done, _ in seen] == list(range(1, 4 * 4 + 1))
    assert all(loss > 0 for _, loss in seen)
