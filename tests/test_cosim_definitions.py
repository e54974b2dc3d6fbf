# amaranth: UnusedElaboratable=no
import pytest

from nomul.cosim import definitions
from nomul.cosim.definitions import SubArrayClaim
from nomul.cosim.formal import RefutedError, prove
from nomul.cosim.side_by_side import SideBySide, fabric_verilog
from nomul.hdl import tree
from nomul.hdl.fabric import FABRICS, Fabric
from nomul.hdl.pe import KINDS

from .hardware import small_config

#: lanes, activation bits, L1 weight bits, exponents.
SHAPES = ((4, 3, 3, 2), (2, 4, 2, 4), (2, 2, 2, 8))


def claims(kind, fabric):
    """Sub-arrays with the registers that suit the fabric, with none, and with one every second level of the tree."""
    forms = {(fabric.leaf_register, fabric.tree_levels_per_register): SHAPES, (False, 0): SHAPES,
             (True, 2): ((8, 2, 2, 2),)}
    parts = {}
    for (leaf_register, levels), shapes in forms.items():
        for lanes, bits, weight_bits, exponents in shapes:
            config = small_config(lanes=lanes, columns=2, activation_bits=bits, l1_weight_bits=weight_bits,
                                  shift_exponents=exponents, leaf_register=leaf_register,
                                  tree_levels_per_register=levels)
            parts[f"{kind}_{lanes}x{bits}_leaf{leaf_register:d}_tree{levels}"] = SubArrayClaim(config, kind)
    return parts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(FABRICS.keys() - {"ice40up"}))      # which adds as ice40 does
def test_every_sub_array_is_its_definition(name, kind):
    parts = claims(kind, FABRICS[name])
    assert {part.latency == 0 for part in parts.values()} == {True, False}
    folder = prove(fabric_verilog(SideBySide(parts), "proof", name), "proof",
                   max(part.latency for part in parts.values()))
    design = (folder / "design.v").read_text()
    assert all(f"module \\proof.{part} " in design for part in parts)
    assert (folder / "proof" / "PASS").is_file()


def small_claim(kind):
    config = small_config(lanes=2, columns=2, activation_bits=2, l1_weight_bits=2, shift_exponents=2)
    return SubArrayClaim(config, kind)


@pytest.mark.parametrize(("name", "kind", "good", "bad"), [
    ("ecp5", "l1", "16'h5a5a", "16'h5a58"),                             # one bit of a look-up table
    ("xilinx", "sign", "64'h6996699666666666", "64'h6996699466666666"),
    ("gowin", "sign", ".ALU_MODE(32'd2)", ".ALU_MODE(32'd1)"),          # subtracts instead of adding
])
def test_a_wrong_cell_is_found(tmp_path, name, kind, good, bad):
    claim = small_claim(kind)
    verilog = fabric_verilog(SideBySide({"claim": claim}), "proof", name)
    assert good in verilog
    with pytest.raises(RefutedError) as error:
        prove(verilog.replace(good, bad, 1), "proof", claim.latency, folder=tmp_path)
    assert error.value.modules == ["proof.claim"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_fold_is_found(tmp_path, monkeypatch, kind):
    lane = definitions._LANES[kind]
    monkeypatch.setitem(definitions._LANES, kind, lambda x, code, config: (
        right := lane(x, code, config))._replace(fold=right.fold + (code == 0)))
    claim = small_claim(kind)
    with pytest.raises(RefutedError):
        prove(fabric_verilog(SideBySide({"claim": claim}), "proof", "generic"), "proof", claim.latency, folder=tmp_path)


def test_a_wrong_leaf_is_found(tmp_path, monkeypatch):
    """A PE that forgets to saturate: wrong only where the sum overflows."""
    monkeypatch.setattr(Fabric, "add", lambda self, m, name, sums, width, add=Fabric.add: [
        total & 3 if name == "total" else total for total in add(self, m, name, sums, width)])
    claim = small_claim("l1")
    with pytest.raises(RefutedError):
        prove(fabric_verilog(SideBySide({"claim": claim}), "proof", "generic"), "proof", claim.latency, folder=tmp_path)


def test_a_register_that_does_not_hold_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(tree, "held", lambda m, value, name, enable, held=tree.held: held(m, value, name))
    claim = small_claim("sign")
    with pytest.raises(RefutedError):
        prove(fabric_verilog(SideBySide({"claim": claim}), "proof", "generic"), "proof", claim.latency, folder=tmp_path)
