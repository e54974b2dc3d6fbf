import pytest

from nomul.sw.geometry import Geometry, LayerError, pair_text


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "dilation", "windows"), [
    (8, 3, 1, 1, 1, 8), (8, 3, 2, 1, 1, 4), (7, 3, 2, 0, 1, 3), (8, 8, 5, 0, 1, 1), (2, 3, 1, 0, 1, 0),
    (1, 5, 1, 2, 1, 1), (8, 3, 1, 2, 2, 8), (8, 3, 1, 0, 3, 2), (4, 3, 1, 0, 2, 0),
])
def test_output_size_by_hand(size, kernel, stride, padding, dilation, windows):
    geometry = Geometry.of((stride, 1), (padding, 0), (dilation, 1), 1)
    assert geometry.output_size((size, 9), (kernel, 1)) == (windows, 9)
    turned = Geometry.of((1, stride), (0, padding), (1, dilation), 1)
    assert turned.output_size((9, size), (1, kernel)) == (9, windows)


@pytest.mark.parametrize(("value", "text"), [(2, "2"), ((3, 3), "3"), ((1, 2), "1×2")])
def test_pairs_in_tables(value, text):
    assert pair_text(value) == text


@pytest.mark.parametrize("options", [(0, 0, 1, 1), (1, -1, 1, 1), (1, 0, (1, 0), 1), ((1, 2, 3), 0, 1, 1),
                                     (1.5, 0, 1, 1)])
def test_windows_that_no_convolution_has_are_refused(options):
    with pytest.raises(LayerError, match="must be an integer of at least"):
        Geometry.of(*options)
