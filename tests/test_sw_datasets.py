import pytest

from nomul.gen.cli.images import DATASET_NAMES
from nomul.sw.data import DataError
from nomul.sw.datasets import DATASETS, dataset_of_shape, load_dataset


def test_the_command_line_knows_every_data_set():
    assert tuple(DATASETS) == DATASET_NAMES


def test_digits_are_loaded_by_name_and_have_the_shape_that_is_said():
    data = load_dataset("digits")
    assert data.name == "digits"
    assert data.shape == (1, 8, 8)
    assert data.classes == 10


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(DataError, match="unknown data set 'cifar'; known are digits, mnist, cifar10, folder"):
        load_dataset("cifar")


def test_data_sets_are_found_by_shape():
    assert dataset_of_shape((1, 8, 8)) == "digits"
    assert dataset_of_shape((1, 28, 28)) == "mnist"
    assert dataset_of_shape((3, 32, 32)) == "cifar10"
    assert dataset_of_shape((3, 28, 28)) is None
