import sys

import pytest
import torch

from nomul.sw.data import DataError, digits


def test_digits_are_sixteenths_in_one_channel():
    data = digits()
    for images, labels, count in ((data.train_images, data.train_labels, 1347),
                                  (data.test_images, data.test_labels, 450)):
        assert (images.shape, images.dtype) == ((count, 1, 8, 8), torch.float32)
        assert (labels.shape, labels.dtype) == ((count,), torch.int64)
        assert torch.equal(images * 16, (images * 16).round())
        assert (images.min(), images.max()) == (0, 1)


def test_the_test_split_is_stratified():
    data = digits()
    test, train = torch.bincount(data.test_labels), torch.bincount(data.train_labels)
    assert (test - (test + train) * 450 / 1797).abs().max() <= 1


def test_every_image_is_in_exactly_one_split():
    from sklearn.datasets import load_digits

    data = digits()
    ours = torch.cat([data.train_images, data.test_images]).flatten(1) * 16
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, load_digits().data.tolist()))


def test_the_split_is_always_the_same():
    assert torch.equal(digits().test_images, digits().test_images)
    # A different split would make published accuracies incomparable.
    assert digits().test_labels[:12].tolist() == [4, 1, 4, 6, 5, 6, 5, 9, 9, 4, 3, 5]


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'nomul\[train\]'"):
        digits()
