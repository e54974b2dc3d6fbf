import pytest

from nomul.gen.synth.estimate import array_luts, expected_luts, plausible
from nomul.gen.synth.family import FAMILIES

from .hardware import small_config


@pytest.mark.parametrize(("family", "fields", "luts"), [
    # The table of docs/arrays.md times lanes and columns.
    ("ecp5", {"operators": ("l1",)}, 16 * 20.5), ("ice40", {"operators": ("l1", "shift")}, 16 * (17.4 + 51.4)),
    ("gowin", {"operators": ("shift",), "shift_exponents": 4}, 16 * 33.4),
    ("xilinx", {"operators": ("l1", "sign"), "unified": True}, 16 * 13.6),
    ("ecp5", {"operators": ("sign",), "activation_bits": 4, "l1_weight_bits": 4}, 16 * 10.5 / 2)])
def test_array_by_hand(family, fields, luts):
    config = small_config(**fields)
    assert array_luts(config, family) == pytest.approx(luts, abs=0.5)
    assert expected_luts(config, family) > array_luts(config, family)


def test_every_family_has_costs():
    assert all(array_luts(small_config(), family) > 0 for family in FAMILIES)


def test_plausible_is_within_a_power_of_ten():
    assert [plausible(value, 100.0) for value in (9, 10, 100, 1000, 1001)] == [False, True, True, True, False]
