import numpy as np
import pytest

from nomul.gen.asic.activity import simulate
from nomul.gen.asic.energy import energy
from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.timing import time

from .tiny_cells import DFF, INV, NAND2, library, netlist


def run(design, cells, **stimulus):
    timing = time(design, cells)
    activity = simulate(design, timing, {name: np.array(values) for name, values in stimulus.items()})
    return activity, energy(design, cells, timing, activity)


def chain(cells, inverters):
    """NAND of the input and of what comes through inverters: pulses when the input rises, if they are an odd number."""
    nets = "abcdefg"
    return netlist([*(("INV", {"A": nets[i], "Y": nets[i + 1]}) for i in range(inverters)),
                    ("NAND2", {"A": "a", "B": nets[inverters], "Y": "y"})], cells)


@pytest.mark.parametrize(("inverters", "toggles"), [(3, 2.0), (1, 0.0)])
def test_a_pulse_shows_if_it_outlasts_the_cell(tmp_path, inverters, toggles):
    cells = library(tmp_path, INV, NAND2)
    # Inverters take 0.1 ns each, the NAND 0.2 ns: a pulse of 0.3 ns passes it, one of 0.1 ns doesn't.
    activity, _ = run(chain(cells, inverters), cells, a=[[0, 1], [1, 0]])
    assert activity.toggles[ord("y")] == toggles / 2      # stream 0 rises and pulses, stream 1 falls and doesn't
    assert activity.toggles[ord("a")] == activity.toggles[ord("b")] == 1
    assert activity.outputs["y"].all()


def test_without_an_odd_number_there_is_no_pulse(tmp_path):
    cells = library(tmp_path, INV, NAND2)
    activity, _ = run(chain(cells, 2), cells, a=[[0, 1], [1, 0]])
    assert activity.toggles[ord("y")] == 1


def test_an_inverter_takes_the_same_each_time_it_toggles(tmp_path):
    cells = library(tmp_path, INV)
    design = netlist([("INV", {"A": "a", "Y": "y"})], cells)
    # The input's net is 2 + 3 fF at 2 V: 10 fJ; inside the cell go (4 + 2)/2 fJ; the output drives nothing.
    activity, used = run(design, cells, a=[[0], [1], [0], [1], [1]])
    assert (activity.transitions, activity.toggles[ord("y")]) == (4, 3 / 4)
    assert used.nets == pytest.approx(3 / 4 * 10)
    assert used.cells == pytest.approx(3 / 4 * 3)
    assert (used.clock, used.leakage) == (0, pytest.approx(0.5))
    assert used.total == pytest.approx(3 / 4 * 13)


def test_energy_of_a_flip_flop_that_toggles(tmp_path):
    cells = library(tmp_path, INV, DFF)
    design = netlist([("DFF", {"CLK": "c", "D": "d", "Q": "y"}), ("INV", {"A": "y", "Y": "d"})], cells,
                     inputs="e", clock="c")
    activity, used = run(design, cells, e=np.zeros((9, 5), int))
    assert [activity.toggles[ord(net)] for net in "yd"] == [1, 1]
    assert (activity.outputs["y"][:, :, 0] == (np.arange(9) % 2)[:, None]).all()
    # Q drives 2 + 3 fF and D 1 + 3 fF; inside Q's and the inverter's own 7 and 3 fJ.
    assert (used.nets, used.cells) == (pytest.approx(10 + 8), pytest.approx(7 + 3))
    # The clock's pin: 1 + 3 fF up and down, 16 fJ; inside (6 + 4)/2 fJ an edge while D is 1, half the time, else 1 fJ.
    assert used.clock == pytest.approx(16 + 2 * (0.5 * 5 + 0.5 * 1))


def test_padding_of_words_and_the_number_of_streams_do_not_matter(tmp_path):
    cells = library(tmp_path, INV, NAND2)
    bits = np.random.default_rng(1).integers(0, 2, (40, 1))
    one, _ = run(chain(cells, 3), cells, a=bits)
    many, _ = run(chain(cells, 3), cells, a=np.repeat(bits, 130, axis=1))
    assert one.toggles == many.toggles
    assert many.transitions == 130 * one.transitions


@pytest.mark.parametrize(("stimulus", "message"), [
    ({"a": np.zeros((4, 3))}, "must be given for the inputs a, b, not for a"),
    ({"a": np.zeros((4, 3)), "b": np.zeros((4, 2))}, "the same two dimensions"),
    ({"a": np.zeros((1, 3)), "b": np.zeros((1, 3))}, "at least 2 cycles"),
    ({"a": np.zeros((4, 3)), "b": np.zeros((4, 3, 2))}, r"input b must have the shape \(4, 3, 1\)")])
def test_a_stimulus_that_does_not_fit_is_refused(tmp_path, stimulus, message):
    cells = library(tmp_path, NAND2)
    design = netlist([("NAND2", {"A": "a", "B": "b", "Y": "y"})], cells, inputs="ab")
    with pytest.raises(AsicError, match=message):
        simulate(design, time(design, cells), stimulus)
