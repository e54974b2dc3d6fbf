import pytest

from nomul.cosim import benches

from .hardware import small_config

pytestmark = pytest.mark.cosim


def test_array_equals_numpy_in_cocotb():
    assert benches.run("array", small_config(), seed=1).tests == 6


def test_link_survives_a_bad_line_in_cocotb():
    assert benches.run("link", small_config(), seed=1).tests == 4
