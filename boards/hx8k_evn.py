"""Lattice iCE40-HX8K breakout board: clock 12 MHz, serial line over channel B of its FT2232H."""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from nomul.boards.ice40 import Ice40Board

__all__ = ["Hx8kEvn"]


class Hx8kEvn(Ice40Board):
    """Lattice iCE40HX8K-B-EVN."""

    name = "hx8k-evn"
    summary = "Lattice iCE40-HX8K breakout board: 12 MHz, serial line at 3 Mbaud over USB"
    platform = ICE40HX8KBEVNPlatform
    clock_hz = 12_000_000
    baud = 3_000_000
    link = "serial line over USB (FTDI, second port)"
    preset = "hx8k"
    programming = "openFPGALoader --board ice40_generic TOP.bin"
