"""`nomul train` on a small share of the digits: what it leaves, and what happens when it is stopped."""

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from nomul.gen.cli import main, train
from nomul.sw import data, datasets
from nomul.sw import train as training
from nomul.sw.checkpoint import load_checkpoint
from nomul.sw.network import ArrayLayer, IntegerNetwork


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """200 images to train on, 20 to test."""
    digits = data.digits()
    small = dataclasses.replace(
        digits, train_images=digits.train_images[:200], train_labels=digits.train_labels[:200],
        test_images=digits.test_images[:20], test_labels=digits.test_labels[:20])
    monkeypatch.setitem(datasets.DATASETS, "digits", lambda: small)
    monkeypatch.chdir(tmp_path)


def metrics(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def nomul(line) -> int:
    return main(line.split())


def fails(capsys, line) -> str:
    assert nomul(line) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_checkpoint_metrics_and_plot_are_written(capsys):
    assert nomul("train shift --epochs 2 --seed 3 -o x.checkpoint --plot x.svg") == 0
    checkpoint, lines = load_checkpoint("x.checkpoint"), metrics("x.checkpoint.jsonl")
    assert (checkpoint.name, checkpoint.dataset, checkpoint.seed) == ("shift", "digits", 3)
    assert (checkpoint.shape, checkpoint.classes, checkpoint.recipe.epochs) == ((1, 8, 8), 10, 2)
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {"epoch", "epochs", "loss", "accuracy", "learning_rate", "seconds"}
    assert (lines[1]["loss"], lines[1]["accuracy"]) == (checkpoint.result.loss, checkpoint.result.accuracy)
    assert f"accuracy {checkpoint.result.accuracy:.2f} % of the test images" in capsys.readouterr().out
    assert len(list(ElementTree.parse("x.svg").iter("{http://www.w3.org/2000/svg}polyline"))) == 2
    assert sorted(path.name for path in Path().iterdir()) == ["x.checkpoint", "x.checkpoint.jsonl", "x.svg"]


@pytest.mark.parametrize("killed_in", [1, 2, 3])
def test_training_that_was_killed_goes_on_and_ends_in_the_same_bytes(killed_in, monkeypatch, capsys):
    command = "train shiftadd --epochs 3 -o"
    assert nomul(f"{command} whole") == 0
    epoch = training.Training._epoch

    def interrupted(self, number, step_done):
        def step(done, loss):
            if number == killed_in and done % self.steps_per_epoch == 3:
                raise KeyboardInterrupt
            step_done(done, loss)

        return epoch(self, number, step)

    with monkeypatch.context() as patched:
        patched.setattr(training.Training, "_epoch", interrupted)
        assert nomul(f"{command} x") == 130
    assert Path("x.training").exists() == (killed_in > 1)
    assert not Path("x").exists()
    capsys.readouterr()
    assert nomul(f"{command} x") == 0
    assert (f"x.training: goes on after epoch {killed_in - 1} of 3" in capsys.readouterr().out) == (killed_in > 1)
    assert Path("x").read_bytes() == Path("whole").read_bytes()
    assert not Path("x.training").exists()
    assert [line["loss"] for line in metrics("x.jsonl")] == [line["loss"] for line in metrics("whole.jsonl")]


def test_a_stopped_training_of_something_else_is_not_overwritten(monkeypatch, capsys):
    monkeypatch.setattr(training.Training, "run", lambda self, epoch_done, step_done: save(self))

    def save(one):
        from nomul.sw.checkpoint import code_hash
        from nomul.sw.resume import save_training
        save_training("x.training", one, code_hash())
        raise KeyboardInterrupt

    assert nomul("train shift -o x") == 130
    assert "another recipe; go on with what it was started with, or delete it" in fails(
        capsys, "train adder -o x")
    assert nomul("inspect x.training") == 0
    assert "kind: training" in capsys.readouterr().out


def test_a_recipe_of_ones_own(capsys):
    Path("mine.toml").write_text('network = "lenet"\nkind = "adder"\nepochs = 1\n')
    assert nomul("train mine.toml -o x") == 0
    assert load_checkpoint("x").name == "mine"
    assert nomul("quantize x -o x.network --bits 4") == 0
    assert "mine, 6 integer layers, 4-bit activations" in capsys.readouterr().out
    assert nomul("quantize x -o y.network --bits 4 --epochs 1") == 0
    assert IntegerNetwork.load("y.network").metadata["epochs_with_rounding"] == 1
    assert IntegerNetwork.load("y.network").hash != IntegerNetwork.load("x.network").hash
    assert nomul("quantize x -o y.network --layer block1.adder=6 --layer block3.adder=4,3") == 0
    uppers = {layer.name: layer.upper for layer in IntegerNetwork.load("y.network").layers
              if isinstance(layer, ArrayLayer)}
    assert (uppers["block1.adder"], uppers["block2.adder"], uppers["block3.adder"]) == (63, 255, 15)
    assert "--layer must be NAME=A or NAME=A,W" in fails(capsys, "quantize x -o y --layer block1.adder:6")
    assert "there is no layer 'adder' to have bits of its own" in fails(capsys, "quantize x -o y --layer adder=6")
    assert "--epochs must be at least 0, not -1" in fails(capsys, "quantize x -o y.network --epochs -1")
    assert "--terms is for layers that multiply, and mine has none" in fails(capsys, "quantize x -o y --terms 2")
    assert "activation_bits must be one of 2, 3" in fails(capsys, "quantize x -o x.network --bits 9")


def test_a_recipe_with_a_teacher(capsys):
    Path("taught.toml").write_text('network = "lenet"\nkind = "adder"\nteacher = "conv"\nepochs = 1\n')
    assert nomul("train taught.toml -o x") == 0
    assert {name for name, _ in load_checkpoint("x").model.named_parameters() if "conv" in name} == set()
    Path("taught.toml").write_text('network = "lenet"\nkind = "adder"\nteacher = "adder"\nepochs = 1\n')
    assert "the student has 4 L1Conv2d and the teacher 0 Conv2d" in fails(capsys, "train taught.toml -o y")
    Path("taught.toml").write_text('network = "lenet"\nkind = "adder"\nteacher = "me"\nepochs = 1\n')
    assert "unknown teacher 'me'; known are conv, adder" in fails(capsys, "train taught.toml -o y")


def test_a_network_that_multiplies_is_trained_and_not_quantized(capsys):
    Path("conv.toml").write_text('network = "lenet"\nkind = "conv"\nepochs = 1\n')
    Path("adder.toml").write_text('network = "lenet"\nkind = "adder"\nepochs = 1\n')
    assert nomul("train conv.toml -o x") == 0
    message = fails(capsys, "quantize x -o y")
    assert "in conv, as it was trained, all layers multiply: make their weights sums of two powers of two" in message
    assert nomul("quantize x --terms 2 -o x.network") == 0
    assert {layer.terms for layer in IntegerNetwork.load("x.network").layers if isinstance(layer, ArrayLayer)} == {2}
    assert "layer 'block1.conv': the shift weights' exponents span" in fails(capsys, "quantize x --terms 5 -o y")
    assert nomul("train adder.toml -o x --keep-first-last") == 0
    assert "the first and the last layer multiply: make their weights" in fails(capsys, "quantize x -o y")


def test_checkpoint_is_taken_again_only_for_the_same_recipe_and_seed():
    from nomul.sw.recipe import load_recipe
    recipe = dataclasses.replace(load_recipe("shift"), epochs=1)
    train.train_to_file(recipe, "x")
    assert train.reusable(recipe, Path("x")).name == "shift"
    assert train.reusable(recipe, Path("x"), seed=1) is None
    assert train.reusable(dataclasses.replace(recipe, epochs=2), Path("x")) is None
    assert train.reusable(recipe, Path("none")) is None
