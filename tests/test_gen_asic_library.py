import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.functions import function
from nomul.gen.asic.liberty import numbers, parse
from nomul.gen.asic.library import find_library

from .tiny_cells import DFF, HEAD, INV, NAND2, SLOPED, library


def test_groups_attributes_and_values():
    group = parse("""library ("some") { // comment
        define (x, cell, string);
        unit (1, pf) ;
        note : "a : b ; { c }"
        cell (A1) { area : 2.5; pin ("A", B) {
          values ("1, 2", \\
                  "3 4")
          max : 3 ; } }
        cell (A2) { }
    } """, "some.lib")
    assert (group.kind, group.arguments) == ("library", ("some",))
    assert group.attributes["unit"] == ("1", "pf")
    assert group.text("note") == "a : b ; { c }"
    first, second = group.all("cell")
    assert (first.arguments, first.number("area"), second.number("area", 7.0)) == (("A1",), 2.5, 7.0)
    pin = first.groups[0]
    assert (pin.arguments, numbers(pin.attributes["values"]), pin.number("max")) == (("A", "B"), [1, 2, 3, 4], 3)


@pytest.mark.parametrize("text", ["", "library (x) {", "library (x) { } }", "module top (input a); endmodule",
                                  "library (x) { area ; }", "cell (x) { }"])
def test_what_is_no_liberty_file_is_refused_by_name(text):
    with pytest.raises(AsicError, match=r"x\.lib is no Liberty file"):
        parse(text, "x.lib")


# Case i of the 8 has A1 = bit 0 of i, A2 = bit 1, B = bit 2.
A1, A2, B = 0b10101010, 0b11001100, 0b11110000


@pytest.mark.parametrize(("text", "expected"), [
    ("!(A1*A2+B)", ~(A1 & A2 | B)), ("(A1 A2 + B)'", ~(A1 & A2 | B)), ("A1 & !A2 | B", (A1 & ~A2) | B),
    ("A1^A2*B", (A1 ^ A2) & B), ("A1' A2''", ~A1 & A2), ("1", 0xFF), ("(0)", 0)])
def test_functions_of_pins(text, expected):
    pins = {name: np.array([word], np.uint64) for name, word in (("A1", A1), ("A2", A2), ("B", B))}
    assert int(function(text)(pins).item()) & 0xFF == expected & 0xFF


@pytest.mark.parametrize("text", ["", "A +", "(A", "A)", "A ? B", "* A"])
def test_what_is_no_function_is_refused(text):
    with pytest.raises(AsicError, match="the cell library holds"):
        function(text)


def test_cells_come_in_nanoseconds_femtofarads_femtojoules_and_nanowatts(tmp_path):
    cells = library(tmp_path, INV, DFF).cells
    inverter = cells["INV"]
    assert (inverter.area, inverter.leakage, inverter.register) == (1, pytest.approx(0.5), None)
    assert inverter.pins["A"].capacitance == pytest.approx(2)
    output = inverter.pins["Y"]
    assert (output.output, output.function) == (True, "!A")
    (arc,), (power,) = output.arcs, output.powers
    assert set(arc.edges) == {(True, False), (False, True)}
    assert arc.delay[True](0.3, 9.0) == pytest.approx(0.1)
    assert power.energy(0.3, 9.0) == pytest.approx((4 + 2) / 2)
    flop = cells["DFF"]
    assert flop.register is not None
    assert (flop.register.clock, flop.register.next_state, flop.register.clear) == ("CLK", "D", "")
    assert [arc.kind for arc in flop.pins["D"].arcs] == ["setup_rising"]


@pytest.mark.parametrize(("slew", "load", "delay"), [
    (0.1, 1, 0.10), (0.5, 11, 0.24), (0.3, 6, 0.17), (0.1, 21, 0.30), (0.5, 0, 0.13), (0.05, 1, 0.095)])
def test_tables_are_linear_between_and_beyond_their_points(tmp_path, slew, load, delay):
    (arc,) = library(tmp_path, SLOPED).cells["SLOPED"].pins["Y"].arcs
    assert arc.delay[True](slew, load) == pytest.approx(delay)


def test_the_template_says_which_axis_is_which(tmp_path):
    swapped = SLOPED.replace('cell_rise (by_slew_and_load) { values ("0.10, 0.20", "0.14, 0.24"); }',
                             'cell_rise (by_load_and_slew) { values ("0.10, 0.14", "0.20, 0.24", "0.5, 0.9"); }')
    (arc,) = library(tmp_path, swapped).cells["SLOPED"].pins["Y"].arcs
    assert arc.delay[True](0.3, 6) == pytest.approx(0.17)
    assert arc.delay[True](0.5, 21) == pytest.approx(0.9)


def test_a_table_that_does_not_fit_its_axes_is_refused(tmp_path):
    with pytest.raises(AsicError, match=r"tiny\.lib: a table 'cell_rise' holds 3 values, .* 2 × 2 points"):
        library(tmp_path, SLOPED.replace('"0.10, 0.20", "0.14, 0.24"', '"0.10, 0.20", "0.14"'))


def test_a_library_is_found_plain_and_packed_or_the_message_says_what_to_download(tmp_path, monkeypatch):
    monkeypatch.delenv("NOMUL_DATA", raising=False)
    with pytest.raises(AsicError, match=r"NOMUL_DATA.* is not set; save ihp-sg13g2/.*from github.com/IHP-GmbH"):
        find_library()
    monkeypatch.setenv("NOMUL_DATA", str(tmp_path))
    with pytest.raises(AsicError, match=r"holds neither osu018_stdcells\.lib nor .*; save .* from Debian's package"):
        find_library("osu018_stdcells.lib")
    (tmp_path / "osu018_stdcells.lib").write_text(HEAD + NAND2 + "}")
    (tmp_path / "ihp_sg13g2_typ.lib.gz").write_bytes(gzip.compress((HEAD + INV + "}").encode()))
    assert find_library("osu018_stdcells.lib").cells.keys() == {"NAND2"}
    assert find_library().cells.keys() == {"INV"}


@pytest.mark.skipif(not list(Path(os.environ.get("NOMUL_DATA", "-")).glob("ihp_sg13g2_typ.lib*")),
                    reason="NOMUL_DATA does not name a folder with ihp_sg13g2_typ.lib")
def test_numbers_of_sg13g2_as_they_stand_in_its_file():
    found = find_library()
    nand = found.cells["sg13g2_nand2_1"]
    assert (found.voltage, nand.area, nand.pins["A"].capacitance) == (1.2, 7.2576, pytest.approx(2.94419))
    assert nand.pins["Y"].arcs[0].delay[True](0.0966, 23.4) == pytest.approx(0.129103)
    assert nand.pins["Y"].powers[0].energy(0.0186, 1.0) == pytest.approx((1.63165 + 2.39463) / 2)
    flop = found.cells["sg13g2_dfrbp_1"]
    assert (flop.area, flop.register.clock, flop.register.clear) == (47.1744, "CLK", "RESET_B'")
