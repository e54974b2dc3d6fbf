"""CIFAR-10's files: made ones of the same format."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
import torch

from nomul.sw import cifar10 as loader
from nomul.sw.cifar10 import cifar10
from nomul.sw.data import DataError

NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]


def record(label, red, green, blue):
    """A record as the format's description has it: label, then the three planes row by row."""
    return bytes([label]) + b"".join(bytes(plane) for plane in (red, green, blue))


def content(number):
    """Two records; `number` is in the labels and the pixels."""
    ramp = [index % 256 for index in range(1024)]
    return record(number, [number] * 1024, ramp, [255] * 1024) + record(9 - number, ramp, [0] * 1024, [7] * 1024)


CONTENTS = {name: content(number) for number, name in enumerate(NAMES)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "_RECORDS", 2)
    monkeypatch.setattr(loader, "_ARCHIVE", loader._ARCHIVE._replace(url=(tmp_path / "none.tar.gz").as_uri()))
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path))
    return tmp_path


def write(folder, **changes):
    (folder / "cifar-10-batches-bin").mkdir()
    for name, data in (CONTENTS | changes).items():
        if data is not None:
            (folder / "cifar-10-batches-bin" / name).write_bytes(data)


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, data in CONTENTS.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def use_archive(monkeypatch, data, **changes):
    monkeypatch.setattr(loader, "_ARCHIVE", loader._ARCHIVE._replace(md5=hashlib.md5(data).hexdigest(), **changes))


def assert_is_the_made_one():
    data = cifar10()
    assert (data.name, data.shape, data.classes) == ("cifar10", (3, 32, 32), 10)
    assert data.train_images.shape == (10, 3, 32, 32)
    assert data.train_labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert data.test_labels.tolist() == [5, 4]
    image = data.train_images[torch.tensor([2])][0]  # the second file's first
    assert image.dtype == torch.float32
    assert (image[0] * 64).unique().tolist() == [1]
    assert (image[1] * 64)[1, :3].tolist() == [32, 33, 34]
    assert (image[2] * 64).unique().tolist() == [255]
    assert len(data.test_images[:1]) == 1


def test_unpacked_files_are_read(folder):
    write(folder)
    assert_is_the_made_one()


def test_archive_is_read(folder, monkeypatch):
    data = archive()
    (folder / "cifar-10-binary.tar.gz").write_bytes(data)
    use_archive(monkeypatch, data)
    assert_is_the_made_one()


def test_archive_is_downloaded(folder, monkeypatch):
    data = archive()
    (folder / "published").write_bytes(data)
    use_archive(monkeypatch, data, url=(folder / "published").as_uri())
    assert_is_the_made_one()
    assert (folder / "cifar-10-binary.tar.gz").read_bytes() == data


def refused() -> str:
    with pytest.raises(DataError) as caught:
        cifar10()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_altered_archive_is_refused(folder):
    (folder / "cifar-10-binary.tar.gz").write_bytes(archive())
    assert "cifar-10-binary.tar.gz is truncated or altered: its MD5 is" in refused()


def test_without_files_the_error_says_what_to_download(folder):
    assert f"there is no cifar-10-binary.tar.gz in {folder}, and it cannot be downloaded" in refused()


@pytest.mark.parametrize(("data", "message"), [
    (None, "No such file"), (CONTENTS[NAMES[0]][:-1], "has 6145 bytes instead of 6146"), (b"", "has 0 bytes"),
    (bytes([10]) + CONTENTS[NAMES[0]][1:], "has the label 10; labels are 0 to 9")])
def test_damaged_file_is_named(data, message, folder):
    write(folder, **{"data_batch_3.bin": data})
    assert "data_batch_3.bin" in refused()
    assert message in refused()


def test_real_sizes_are_those_of_the_format():
    assert loader._RECORDS * (1 + int(np.prod(loader._SHAPE))) == 30_730_000
