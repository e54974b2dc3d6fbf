import dataclasses

import pytest
import torch
from torch import nn

from nomul.sw import container
from nomul.sw.container import ContainerError
from nomul.sw.data import Dataset
from nomul.sw.layers import ShiftConv2d
from nomul.sw.recipe import Recipe
from nomul.sw.resume import ResumeError, save_training, take_up
from nomul.sw.train import Training

RECIPE = Recipe(name="r", epochs=3, batch=8)
IMAGES = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
DATASET = Dataset("noise", IMAGES, torch.arange(20) % 2, IMAGES, torch.arange(20) % 2)


def training(recipe=RECIPE, dataset=DATASET, seed=0):
    torch.manual_seed(0)
    return Training(nn.Sequential(ShiftConv2d(1, 2, 4), nn.BatchNorm2d(2), nn.Flatten()), dataset, recipe, seed)


class Killed(Exception):
    pass


@pytest.fixture
def stopped(tmp_path):
    """The file of a training that was killed in its third epoch."""
    path = tmp_path / "x.training"
    one = training()

    def epoch_done(epoch):
        save_training(path, one, "code")

    def step_done(done, loss):
        if done == 7:
            raise Killed

    with pytest.raises(Killed):
        one.run(epoch_done, step_done)
    return path


def test_training_goes_on_from_the_last_whole_epoch_and_ends_the_same(stopped):
    again, whole = training(), training()
    take_up(stopped, again, "code")
    assert len(again.history) == 2
    assert again.run() == whole.run()
    assert all(torch.equal(value, again.model.state_dict()[key]) for key, value in whole.model.state_dict().items())


@pytest.mark.parametrize(("other", "code", "key"), [
    (training(dataclasses.replace(RECIPE, epochs=4)), "code", "recipe"),
    (training(seed=1), "code", "seed"),
    (training(dataset=dataclasses.replace(DATASET, name="other")), "code", "data set"),
    (training(dataset=dataclasses.replace(DATASET, train_images=IMAGES[:12])), "code", "data set"),
    (training(), "other", "code"),
])
def test_another_training_is_refused(other, code, key, stopped):
    with pytest.raises(ResumeError, match=f"x.training' holds a stopped training with another {key}; go on with what"):
        take_up(stopped, other, code)
    assert other.history == []


def test_damaged_file_is_refused(stopped):
    content = stopped.read_bytes()
    stopped.write_bytes(content[:-1])
    with pytest.raises(ContainerError, match=r"x\.training' is truncated"):
        take_up(stopped, training(), "code")
    stopped.write_bytes(content)
    whole = container.load(stopped)
    container.save(stopped, "training", whole.header,
                   {name: value for name, value in whole.tensors.items() if not name.startswith("random")})
    with pytest.raises(ContainerError, match="is no training that this nomul understands"):
        take_up(stopped, training(), "code")
