import dataclasses

import pytest

from nomul.sw.kinds import KINDS
from nomul.sw.models import NETWORKS
from nomul.sw.recipe import Recipe, RecipeError, load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_of_a_known_network_and_survives_its_own_text(name, tmp_path):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.network in NETWORKS
    assert recipe.kind in KINDS
    assert recipe.note.endswith(".")
    assert not recipe.keep_first_last
    path = tmp_path / f"{name}.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(path) == recipe
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_there_are_recipes_for_all_kinds_of_layers():
    for network in ("lenet", "resnet20"):
        names = [name for name in recipe_names() if name.startswith(network)
                 and not (load_recipe(name).teacher or load_recipe(name).pruned)]
        assert {name.partition("-")[2] for name in names} == set(KINDS)


def test_recipes_with_a_teacher_are_those_without_one_otherwise():
    for network in ("lenet", "resnet20"):
        taught, alone = load_recipe(f"{network}-adder-pkkd"), load_recipe(f"{network}-adder")
        assert taught.teacher == "conv"
        told = {key: getattr(alone, key) for key in ("name", "note", "published")}
        assert dataclasses.replace(taught, teacher="", **told) == alone


def test_what_was_not_run_here_says_so_and_what_others_published():
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.note.startswith("Not run here.") == (recipe.data in ("cifar10", "folder")), name
        assert recipe.published is None or recipe.data in ("cifar10", "folder")
    # AdderNet, table 2; DeepShift, table 2; ShiftAddNet's correction.
    published = {"adder": 91.84, "adder-pkkd": 92.96, "shift-q": 89.85, "shift-ps": 88.84, "shiftadd": 89.32}
    assert {kind: load_recipe(f"resnet20-{kind}").published for kind in published} == published


def test_mnist_is_trained_for_at_most_ten_epochs():
    assert all(load_recipe(name).epochs <= 10 for name in recipe_names() if name.startswith("lenet"))


@pytest.mark.parametrize(("text", "message"), [
    ("epochs = 0", "recipe x: epochs must be at least 1, not 0"),
    ("batch = 1", "batch must be at least 2, not 1"),
    ("epochs = 1.5", "epochs must be a whole number, not 1.5"),
    ("epochs = true", "epochs must be a whole number, not True"),
    ("flip = 1", "flip must be true or false, not 1"),
    ("kind = 3", "kind must be a text, not 3"),
    ("learning_rate = 0", "learning_rate must be greater than 0, not 0"),
    ("learning_rate = nan", "learning_rate must be a number, not nan"),
    ("jitter = -1.0", "jitter must be at least 0, not -1.0"),
    ("pruned = 1.0", "pruned must be below 1, not 1.0"),
    ("published = 'high'", "published must be a number, not 'high'"),
    ("optimizer = 'lion'", "optimizer must be one of adam, radam, sgd, not 'lion'"),
    ("schedule = 'line'", "schedule must be one of one-cycle, cosine, steps, not 'line'"),
    ("schedule = 'steps'", r"milestones belong to the schedule 'steps', and only to it; they are \[\]"),
    ("milestones = [1]", r"they are \[1\], the schedule is 'one-cycle'"),
    ("milestones = [0.5]\nschedule = 'steps'", r"milestones must be whole numbers, not \[0.5\]"),
    ("epoch = 1", "recipe x: unknown field 'epoch'; the fields are name, note,"),
    ("epochs 1", "recipe '.*x.toml' is no TOML"),
])
def test_mistake_is_one_line(text, message, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(RecipeError, match="no recipe 'lenet': give the path of a .toml file or one of adder, lenet-"):
        load_recipe("lenet")


def test_whole_numbers_are_numbers():
    assert Recipe(jitter=1, learning_rate=1).jitter == 1
    assert dataclasses.replace(Recipe(), schedule="steps", milestones=[2, 3]).milestones == (2, 3)
