"""MNIST's files: small ones of the same format, whose checksums the loader is given, and the real ones if there."""

import contextlib
import gzip
import hashlib
import os

import numpy as np
import pytest
import torch

from nomul.sw import mnist as loader
from nomul.sw.data import DataError
from nomul.sw.mnist import mnist

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")
#: Of 3 training and 2 test images of 2×2 pixels; the sizes are four bytes each, the highest first.
HEADERS = ("00000803 00000003 00000002 00000002", "00000801 00000003",
           "00000803 00000002 00000002 00000002", "00000801 00000002")
CONTENTS = (bytes(range(12)), bytes([7, 0, 9]), bytes([255, 64, 32, 1, 0, 0, 128, 3]), bytes([1, 2]))
SHAPES = ((3, 2, 2), (3,), (2, 2, 2), (2,))
FILES = {name: bytes.fromhex(header) + content for name, header, content in zip(NAMES, HEADERS, CONTENTS, strict=True)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder, in which the loader looks for the small files."""
    parts = {array: loader._Part(name, shape, hashlib.md5(FILES[name]).hexdigest(), "")
             for array, name, shape in zip(ARRAYS, NAMES, SHAPES, strict=True)}
    monkeypatch.setattr(loader, "_PARTS", parts)
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path))
    monkeypatch.setattr(loader, "_HOME", (tmp_path / "home").as_uri())  # where nothing is
    return tmp_path


def write_archive(folder, **changes):
    arrays = {name: np.frombuffer(content, np.uint8).reshape(shape)
              for name, content, shape in zip(ARRAYS, CONTENTS, SHAPES, strict=True)}
    np.savez_compressed(folder / "mnist.npz", **{name: value for name, value in (arrays | changes).items()
                                                 if value is not None})


def refused() -> str:
    """The one line with which the data set is refused."""
    with pytest.raises(DataError) as caught:
        mnist()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_is_the_small_one():
    data = mnist()
    assert data.name == "mnist"
    assert (data.train_images.dtype, data.train_images.shape) == (torch.float32, (3, 1, 2, 2))
    assert (data.test_images * 64).tolist() == [[[[255, 64], [32, 1]]], [[[0, 0], [128, 3]]]]
    assert (data.train_images.flatten() * 64).tolist() == list(range(12))
    assert (data.train_labels.dtype, data.train_labels.tolist()) == (torch.int64, [7, 0, 9])
    assert data.test_labels.tolist() == [1, 2]


def test_archive_is_read(folder):
    write_archive(folder)
    assert_is_the_small_one()


def test_idx_files_are_read_plain_or_packed(folder):
    for index, (name, content) in enumerate(FILES.items()):
        if index % 2:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    assert_is_the_small_one()


def test_missing_files_are_downloaded_from_their_home(folder, monkeypatch):
    (folder / "home").mkdir()
    for name, content in FILES.items():
        packed = gzip.compress(content)
        (folder / "home" / f"{name}.gz").write_bytes(packed)
        array = ARRAYS[NAMES.index(name)]
        monkeypatch.setitem(loader._PARTS, array,
                            loader._PARTS[array]._replace(packed_md5=hashlib.md5(packed).hexdigest()))
    (folder / NAMES[1]).write_bytes(FILES[NAMES[1]])
    assert_is_the_small_one()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["home", NAMES[1], *(f"{name}.gz" for name in NAMES if name != NAMES[1])])


def test_one_missing_file_of_four_is_named_with_its_address(folder):
    for name in NAMES[:3]:
        (folder / name).write_bytes(FILES[name])
    message = refused()
    assert f"there is no t10k-labels-idx1-ubyte.gz in {folder}, and it cannot be downloaded" in message
    assert f"{(folder / 'home').as_uri()}/t10k-labels-idx1-ubyte.gz" in message


@pytest.mark.parametrize("damaged", ["altered", "truncated", "longer", "other header"])
def test_damaged_idx_file_is_named(damaged, folder):
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    content = FILES[NAMES[2]]
    (folder / NAMES[2]).write_bytes({
        "altered": content[:-1] + b"\4", "truncated": content[:-1], "longer": content + b"\0",
        "other header": b"\0\0\x08\x02" + content[4:]}[damaged])
    message = refused()
    assert f"{folder / NAMES[2]} is truncated or altered" in message
    assert hashlib.md5(content).hexdigest() in message


@pytest.mark.parametrize("content", [gzip.compress(FILES[NAMES[0]])[:-9], b"no gzip file", b""],
                         ids=["truncated", "another kind", "empty"])
def test_damaged_packed_file_is_named(content, folder):
    for name in NAMES[1:]:
        (folder / name).write_bytes(FILES[name])
    (folder / f"{NAMES[0]}.gz").write_bytes(content)
    assert f"{folder / NAMES[0]}.gz" in refused()


@pytest.mark.parametrize(("changes", "message"), [
    ({"x_test": np.zeros((2, 2, 2), np.uint8)}, "x_test is truncated or altered"),
    ({"x_test": np.zeros((1, 2, 2), np.uint8)}, r"x_test has the shape (1, 2, 2) and type uint8"),
    ({"y_train": np.array([7, 0, 9])}, "y_train has the shape (3,) and type int64, but MNIST's is (3,), uint8"),
    ({"y_train": np.array([7, 0, None])}, "cannot be read"),
    ({"y_test": None}, "it must have the arrays x_train, y_train, x_test, y_test"),
])
def test_archive_with_other_content_is_refused(changes, message, folder):
    write_archive(folder, **changes)
    assert message in refused()


def test_damaged_archive_is_refused(folder):
    write_archive(folder)
    path = folder / "mnist.npz"
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[:-1], whole[:100], whole[len(whole) // 2:]):
        path.write_bytes(content)
        assert f"{path} cannot be read as an .npz archive" in refused()
    for position in range(len(whole)):  # wherever a byte is altered: refused, or without effect on the content
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1:])
        with contextlib.suppress(DataError):
            assert_is_the_small_one()


@pytest.mark.skipif("NOMUL_DATA" not in os.environ, reason="NOMUL_DATA does not name a folder with MNIST")
def test_the_real_data_set_has_its_known_sizes_and_first_labels():
    data = mnist()
    assert data.train_images.shape == (60000, 1, 28, 28)
    assert data.test_images.shape == (10000, 1, 28, 28)
    assert (data.train_images.min() * 64, data.train_images.max() * 64) == (0, 255)
    assert data.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.test_labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert torch.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
