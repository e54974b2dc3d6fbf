import numpy as np
import pytest
import torch

from nomul.sw.data import DataError
from nomul.sw.image_folder import image_folder

Image = pytest.importorskip("PIL.Image")


def array(value, shape=(4, 6, 3)):
    return np.full(shape, value, np.uint8)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two classes, .png and .npy, four images to train and two to test."""
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path))
    for part, numbers in (("train", (0, 1)), ("test", (0,))):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for number in numbers:
                Image.fromarray(array(100 * label + number)).save(tmp_path / part / name / f"{number}.png")
    np.save(tmp_path / "train" / "dog" / "0.npy", array(7))
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    return tmp_path


def refused(use=lambda data: None) -> str:
    with pytest.raises(DataError) as caught:
        use(image_folder())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_classes_are_folders_in_the_order_of_their_names(root):
    data = image_folder()
    assert (data.name, data.shape, data.classes) == ("folder", (3, 4, 6), 2)
    assert data.train_labels.tolist() == [0, 0, 1, 1, 1]
    assert data.test_labels.tolist() == [0, 1]
    assert (data.train_images.shape, len(data.test_images)) == ((5, 3, 4, 6), 2)
    images = data.train_images[:]
    assert (images.dtype, images.shape) == (torch.float32, (5, 3, 4, 6))
    assert (images[:, 0, 0, 0] * 64).tolist() == [0, 1, 7, 100, 101]
    assert (data.train_images[torch.tensor([4, 0])][:, 1, 2, 3] * 64).tolist() == [101, 0]


def test_rows_columns_and_channels_are_told_apart(root):
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    Image.fromarray(pixels).save(root / "test" / "cat" / "0.png")
    assert (image_folder().test_images[:1][0] * 64).tolist() == pixels.transpose(2, 0, 1).tolist()


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1)])
def test_grey_images_have_one_channel(shape, root):
    for path in root.rglob("*.*"):
        path.unlink()
    for part in ("train", "test"):
        np.save(root / part / "dog" / "a.npy", array(3, shape))
        Image.fromarray(array(3, (4, 6))).save(root / part / "cat" / "a.png")
    assert image_folder().shape == (1, 4, 6)
    assert image_folder().train_images[:].shape == (2, 1, 4, 6)


def test_folders_that_are_missing_or_empty_are_named(root):
    (root / "test" / "bird").mkdir()
    assert f"{root / 'test' / 'bird'} has no class folder of that name in {root / 'train'}" in refused()
    (root / "test" / "bird").rmdir()
    for path in (root / "test").rglob("*.png"):
        path.unlink()
    assert f"no .png or .npy files in the class folders of {root / 'test'}; images are train/CLASS" in refused()
    for path in (root / "test").iterdir():
        path.rmdir()
    (root / "test").rmdir()
    assert f"there is no folder {root / 'test'}" in refused()


@pytest.mark.parametrize(("write", "message"), [
    (lambda path: np.save(path, array(1, (5, 6, 3))), "has the shape 3×5×6, but"),
    (lambda path: np.save(path, array(1, (4, 6, 4))), r"has the shape (4, 6, 4) and type uint8; images are uint8"),
    (lambda path: np.save(path, array(1).astype(float)), "type float64"),
    (lambda path: path.write_bytes(b"no array"), "is no .npy file"),
])
def test_odd_image_is_named_when_it_is_read(write, message, root):
    path = root / "train" / "dog" / "0.npy"
    write(path)
    assert message in refused(lambda data: data.train_images[:])
    assert str(path) in refused(lambda data: data.train_images[:])


def test_training_and_test_images_have_one_size(root):
    for name in ("cat", "dog"):
        Image.fromarray(array(1, (8, 8, 3))).save(root / "test" / name / "0.png")
    assert "has the shape 3×8×8, but" in refused()


def test_damaged_png_is_named(root):
    path = root / "train" / "dog" / "1.png"
    whole = path.read_bytes()
    for content in (b"", b"no image", whole[:40]):
        path.write_bytes(content)
        assert f"{path} is no .png file, or truncated" in refused(lambda data: data.train_images[:])
