"""Sipeed Tang Nano 9K with a Gowin GW1NR-9C: clock 27 MHz, serial line over its USB bridge, a BL702."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from nomul.boards.gowin import GowinBoard

__all__ = ["TangNano9k"]


class TangNano9k(GowinBoard):
    """Sipeed Tang Nano 9K."""

    name = "tang-nano-9k"
    summary = "Sipeed Tang Nano 9K, Gowin GW1NR-9C: 27 MHz, serial line at 1 Mbaud over USB"
    platform = TangNano9kPlatform
    clock_hz = 27_000_000
    baud = 1_000_000
    link = "serial line over USB (BL702)"
    preset = "tang-nano-9k"
    programming = "openFPGALoader --board tangnano9k TOP.fs"
