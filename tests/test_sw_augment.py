import torch

from nomul.sw.augment import crop, flip, jitter


def seeded():
    return torch.Generator().manual_seed(0)


def spot(count, size=7):
    """Images with one bright pixel in the middle."""
    images = torch.zeros(count, 1, size, size)
    images[:, 0, size // 2, size // 2] = 1
    return images


def distances(moved):
    """Of each image's centre of gravity from the middle: rows, columns."""
    position = torch.arange(float(moved.shape[2])) - moved.shape[2] // 2
    return [(moved.sum(dim) * position).sum((1, 2)) for dim in (3, 2)]


def test_jitter_moves_an_image_by_a_fraction_of_a_pixel():
    moved = jitter(spot(200), 0.5, seeded())
    rows, columns = distances(moved)
    torch.testing.assert_close(moved.sum((1, 2, 3)), torch.ones(200))  # interpolation keeps the sum inside the map
    for distance in (rows, columns):
        assert 0.4 < distance.abs().max() <= 0.5 + 1e-5
    assert (rows - columns).abs().max() > 0.4  # the two directions are independent


def test_crop_moves_by_whole_pixels_in_every_direction():
    moved = crop(spot(200), 2, seeded())
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(200))
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    assert {tuple(place) for place in torch.stack(distances(moved), 1).int().tolist()} == \
        {(row, column) for row in range(-2, 3) for column in range(-2, 3)}


def test_crop_fills_with_zeros_and_keeps_channels_together():
    images = torch.arange(1.0, 2 * 3 * 4 * 5 + 1).reshape(2, 3, 4, 5)
    moved = crop(images, 1, seeded())
    rows, columns = torch.randint(3, (2, 2, 1), generator=seeded())
    for image, result, row, column in zip(images, moved, rows, columns, strict=True):
        padded = torch.zeros(3, 6, 7)
        padded[:, 1:5, 1:6] = image
        assert torch.equal(result, padded[:, row:row + 4, column:column + 5])


def test_flip_mirrors_about_half_of_the_images():
    images = torch.rand(200, 2, 3, 4)
    flipped = flip(images, seeded())
    mirrored = [torch.equal(new, old.flip(2)) for new, old in zip(flipped, images, strict=True)]
    kept = [torch.equal(new, old) for new, old in zip(flipped, images, strict=True)]
    assert [not one for one in kept] == mirrored
    assert 70 < sum(mirrored) < 130


def test_without_distance_images_stay_as_they_are():
    images = torch.rand(3, 1, 8, 8)
    assert jitter(images, 0, seeded()) is images
    assert crop(images, 0, seeded()) is images
