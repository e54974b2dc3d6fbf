import hashlib

import pytest

from nomul.sw.data import DataError
from nomul.sw.download import PublicFile, data_folder, fetch

CONTENT = b"published"


@pytest.fixture
def file(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "x.bin").write_bytes(CONTENT)
    return PublicFile("x.bin", (tmp_path / "home" / "x.bin").as_uri(), hashlib.md5(CONTENT).hexdigest())


def refused(file, folder) -> str:
    with pytest.raises(DataError) as caught:
        fetch(file, folder)
    assert "\n" not in str(caught.value)
    assert f"download {file.url} (MD5 {file.md5}) and put it into {folder}" in str(caught.value)
    return str(caught.value)


def test_file_is_kept_under_its_name(file, tmp_path):
    (tmp_path / "data").mkdir()
    path = fetch(file, tmp_path / "data")
    assert path == tmp_path / "data" / "x.bin"
    assert path.read_bytes() == CONTENT
    assert list((tmp_path / "data").iterdir()) == [path]


def test_other_content_is_not_kept(file, tmp_path):
    other = file._replace(md5=hashlib.md5(b"other").hexdigest())
    assert f"has the MD5 {file.md5} instead of {other.md5}, and was not kept" in refused(other, tmp_path)
    assert not (tmp_path / "x.bin").exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x.bin", "nonsense"])
def test_address_that_does_not_answer_is_one_line(address, file, tmp_path):
    assert "there is no x.bin in" in refused(file._replace(url=address), tmp_path)


def test_file_that_is_gone_is_one_line(file, tmp_path):
    (tmp_path / "home" / "x.bin").unlink()
    assert "there is no x.bin in" in refused(file, tmp_path)


def test_folder_that_is_not_there_is_named(file, tmp_path):
    assert f"cannot write {tmp_path / 'none' / 'x.bin'}: No such file" in refused(file, tmp_path / "none")


def test_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path))
    assert data_folder("mnist") == tmp_path
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path / "none"))
    with pytest.raises(DataError, match="mnist data set was not found: there is no folder .*none, which NOMUL_DATA"):
        data_folder("mnist")
    for value in ("", None):
        monkeypatch.setenv("NOMUL_DATA", "") if value == "" else monkeypatch.delenv("NOMUL_DATA")
        with pytest.raises(DataError, match="NOMUL_DATA, which names the folder of data sets, is not set"):
            data_folder("mnist")
