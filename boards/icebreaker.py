"""1BitSquared iCEBreaker with an iCE40UP5K: clock 12 MHz, serial line over channel B of its FT2232H."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from nomul.boards.ice40 import Ice40Board

__all__ = ["IceBreaker"]


class IceBreaker(Ice40Board):
    """1BitSquared iCEBreaker."""

    name = "icebreaker"
    summary = "1BitSquared iCEBreaker, Lattice iCE40UP5K: 12 MHz, serial line at 3 Mbaud over USB"
    platform = ICEBreakerPlatform
    clock_hz = 12_000_000
    baud = 3_000_000
    link = "serial line over USB (FTDI, second port)"
    preset = "icebreaker"
    programming = "openFPGALoader --board ice40_generic TOP.bin"
