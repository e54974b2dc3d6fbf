import re

import pytest
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from nomul.boards import BoardError, find_board
from nomul.boards.ecp5_pll import pll_settings

from .hardware import small_config


@pytest.mark.parametrize(("input_mhz", "output_mhz", "expected"), [
    # As Project Trellis' ecppll divides for a ULX3S: 25 MHz · 4 / 1, with the PLL's own oscillator at 600 MHz.
    (25, 100, (1, 4, 6)), (25, 125, (1, 5, 5)), (25, 50, (1, 2, 12)), (12, 60, (1, 5, 10)),
    (25, 112.5, (2, 9, 5)), (48, 96, (1, 2, 6)), (48, 60, (4, 5, 10)), (10, 3.125, None),
])
def test_known_settings(input_mhz, output_mhz, expected):
    if expected:
        assert pll_settings(round(input_mhz * 1e6), round(output_mhz * 1e6)) == expected
    else:
        with pytest.raises(BoardError, match=r"cannot make 3\.125 MHz of 10 MHz; near it are 10 and 20 MHz"):
            pll_settings(round(input_mhz * 1e6), round(output_mhz * 1e6))


@pytest.mark.parametrize("input_mhz", [10, 12, 25, 27, 48, 100, 400])
def test_every_setting_keeps_the_limits_of_the_data_sheet_and_gives_the_rate(input_mhz):
    made = 0
    for output_khz in range(4000, 400_001, 500):
        try:
            reference, feedback, output = pll_settings(input_mhz * 1_000_000, output_khz * 1000)
        except BoardError:
            continue
        made += 1
        assert input_mhz * 1000 * feedback == output_khz * reference
        assert input_mhz / reference >= 10
        assert 400_000 <= output_khz * output <= 800_000
        assert all(1 <= divider <= 128 for divider in (reference, feedback, output))
    assert made >= 1


@pytest.mark.parametrize(("input_mhz", "output_mhz", "message"), [
    (5, 100, r"wants an input of 10 to 400 MHz, not 5 MHz"),
    (25, 401, r"wants an output of 3\.125 to 400 MHz, not 401 MHz"),
    (25, 101, r"cannot make 101 MHz of 25 MHz; near it are 100 and 112\.5 MHz"),
])
def test_what_the_pll_cannot_do_is_said_with_what_it_can(input_mhz, output_mhz, message):
    with pytest.raises(BoardError, match=message):
        pll_settings(input_mhz * 1_000_000, output_mhz * 1_000_000)


def test_the_core_runs_at_the_constrained_output_and_is_reset_until_the_pll_has_locked():
    board = find_board("ulx3s-85f")
    assert board.clock_hz != ULX3S_85F_Platform().default_clk_frequency == 25e6
    _, files = board.emit(small_config(name="soc"), "soc")
    settings = pll_settings(25_000_000, board.clock_hz)
    assert f'FREQUENCY NET "pll_clock" {float(board.clock_hz)} HZ;' in files["soc.lpf"]
    text = files["soc.v"]
    pll = text[text.index("EHXPLLL"):]
    pll = pll[:pll.index(";")]
    for parameter, value in zip(("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV"), settings, strict=True):
        assert f".{parameter}(32'd{value})" in pll
    wires = dict(re.findall(r"\.(\w+)\(([^()]*)\)", pll))
    assert wires["CLKOP"] == wires["CLKFB"] == "clk"
    # LOCK, two flip-flops, and the chip's reset.
    cells = {name: dict(re.findall(r"\.(\w+)\(([^()]*)\)", ports)) for name, ports in re.findall(
        r"\) (settled|released) \((.*?)\);", text, re.DOTALL)}
    assert cells["settled"]["D"] == wires["LOCK"]
    assert cells["released"]["D"] == cells["settled"]["Q"]
    assert re.search(rf"SGSR reset \(\s*\.CLK\(clk\),\s*\.GSR\({re.escape(cells['released']['Q'])}\)", text)


@pytest.mark.parametrize("name", ["ulx3s-85f", "ulx3s-25f", "orangecrab-r0-2"])
def test_the_serial_line_is_at_most_one_and_a_half_per_cent_off(name):
    # The last of a byte's ten bits is sampled half a bit from its edges, which is 5 per cent of a byte.
    board = find_board(name)
    assert abs(board.clock_hz / board.divisor / board.baud - 1) <= 0.015
