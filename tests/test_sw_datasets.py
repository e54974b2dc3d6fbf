import pytest

from nomul.gen.cli.images import DATASET_NAMES
from nomul.sw.data import DataError
from nomul.sw.datasets import DATASETS, dataset_of_shape, load_dataset
from nomul.sw.models import MODELS


def test_the_command_line_knows_every_data_set():
    assert tuple(DATASETS) == DATASET_NAMES


def test_digits_are_loaded_by_name_and_have_the_shape_that_is_said():
    data = load_dataset("digits")
    assert data.name == "digits"
    assert tuple(data.train_images.shape[1:]) == DATASETS["digits"].shape


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(DataError, match="unknown data set 'cifar'; known are digits, mnist"):
        load_dataset("cifar")


def test_data_sets_are_found_by_shape():
    assert dataset_of_shape((1, 8, 8)) == "digits"
    assert dataset_of_shape((1, 28, 28)) == "mnist"
    assert dataset_of_shape((3, 28, 28)) is None


def test_every_model_has_a_data_set():
    assert all(dataset_of_shape(model.shape) for model in MODELS.values())
