import pytest

from nomul.gen.synth.family import FAMILIES, KINDS
from nomul.gen.synth.tools import tool_version
from nomul.hdl.fabric import FABRICS


@pytest.mark.parametrize(("family", "bits", "words", "rams"), [
    # The shapes of the vendors' block RAMs: 36 × 512 to 1 × 16384 (ECP5, Gowin), 16 × 256 to 2 × 2048 (iCE40).
    ("ecp5", 36, 512, 1), ("ecp5", 37, 512, 2), ("ecp5", 128, 16384, 120), ("gowin", 32, 9216, 18),
    ("ice40", 16, 256, 1), ("ice40", 17, 256, 2), ("ice40", 2, 2048, 1), ("ice40", 32, 1024, 8),
    ("xilinx", 64, 4096, 8)])
def test_block_rams_by_hand(family, bits, words, rams):
    assert FAMILIES[family].block_rams(bits, words) == rams


def test_large_rams_by_hand():
    family = FAMILIES["ice40"]
    assert [family.large_rams(*shape) for shape in ((16, 16384), (17, 16384), (32, 16385), (8, 4))] == [1, 2, 4, 1]
    assert FAMILIES["ecp5"].large_rams(16, 16384) == 0


def test_netlist_cells_are_counted_by_kind():
    assert FAMILIES["ecp5"].count(["LUT4", "LUT4", "CCU2C", "TRELLIS_FF", "DP16KD", "PFUMX", "MULT18X18D"]) == {
        "luts": 4, "ffs": 1, "memories": 1, "sprams": 0, "dsps": 1}
    assert FAMILIES["ice40"].count(["SB_LUT4", "SB_CARRY", "SB_DFFESR", "SB_DFF", "SB_RAM40_4K", "SB_SPRAM256KA"]) == {
        "luts": 1, "ffs": 2, "memories": 1, "sprams": 1, "dsps": 0}
    assert FAMILIES["gowin"].count(["LUT1", "LUT4", "MUX2_LUT5", "ALU", "DFFRE", "SDPX9B", "RAM16SDP4", "DPX9B"]) == {
        "luts": 7, "ffs": 1, "memories": 2, "sprams": 0, "dsps": 0}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_names_are_those_of_fabrics_tools_and_kinds(family):
    assert family.name in FABRICS
    assert not family.place or tool_version(family.place)
    assert {kind for kind, _ in family.cells.values()} | set(family.reported) <= set(KINDS)
