import pytest

from nomul.gen.spec.errors import NomulError
from nomul.sw import checkpoint, container
from nomul.sw.checkpoint import Checkpoint, code_hash, load_checkpoint, save_checkpoint
from nomul.sw.container import ContainerError
from nomul.sw.models import build
from nomul.sw.recipe import Recipe, load_recipe
from nomul.sw.train import TrainResult


def one(recipe=None):
    recipe = recipe or load_recipe("lenet-shiftadd-frozen")
    return Checkpoint(build(recipe, (1, 9, 9), 3, 5), recipe, "folder", (1, 9, 9), 3, 5, TrainResult(0.5, 98.5), "code")


def test_round_trip(tmp_path):
    saved = one()
    assert save_checkpoint(tmp_path / "x", saved) == save_checkpoint(tmp_path / "y", saved)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()
    loaded = load_checkpoint(tmp_path / "x")
    assert (loaded.name, loaded.recipe, loaded.result) == ("lenet-shiftadd-frozen", saved.recipe, saved.result)
    assert (loaded.shape, loaded.classes, loaded.seed, loaded.dataset, loaded.code) == \
        ((1, 9, 9), 3, 5, "folder", "code")
    assert not loaded.model.training
    assert all(value.equal(loaded.model.state_dict()[key]) for key, value in saved.model.state_dict().items())


@pytest.mark.parametrize("change", [
    lambda header: header["recipe"].update(kind="conv"), lambda header: header.pop("shape"),
    lambda header: header.update(shape=[1, 9]), lambda header: header.update(classes=4),
    lambda header: header["recipe"].update(speed=1), lambda header: header["result"].pop("loss")])
def test_content_that_does_not_fit_is_one_line(change, tmp_path):
    save_checkpoint(tmp_path / "x", one())
    content = container.load(tmp_path / "x")
    change(content.header)
    container.save(tmp_path / "x", "checkpoint", content.header, content.tensors)
    with pytest.raises(NomulError) as caught:
        load_checkpoint(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_network_of_this_recipe_only(tmp_path):
    save_checkpoint(tmp_path / "x", one())
    content = container.load(tmp_path / "x")
    container.save(tmp_path / "x", "checkpoint", {**content.header, "recipe": Recipe().to_dict()}, {})
    with pytest.raises((ContainerError, NomulError)):
        load_checkpoint(tmp_path / "x")


def test_the_code_is_what_training_is_made_of():
    names = {path.name for path in checkpoint._sources()}
    assert {"train.py", "optimize.py", "augment.py", "recipe.py", "models.py", "lenet.py", "small.py", "kinds.py",
            "layers.py", "l1.py", "l1.cpp", "shift.py", "mnist.py", "data.py"} <= names
    assert not {"quantize.py", "golden.py", "compile.py", "checkpoint.py"} & names
    assert len(code_hash()) == 16
