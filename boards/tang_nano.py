"""Sipeed Tang Nano 9K with a Gowin GW1NR-9C: oscillator 27 MHz, serial line over its USB bridge, a BL702."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from nomul.boards.gowin import GowinBoard, GowinPll

__all__ = ["TangNano9k"]


class TangNano9k(GowinBoard):
    """Sipeed Tang Nano 9K."""

    name = "tang-nano-9k"
    summary = "Sipeed Tang Nano 9K, Gowin GW1NR-9C: 45 MHz, serial line at 1 Mbaud over USB"
    platform = TangNano9kPlatform
    pll = GowinPll(5, 3, 16)
    clock_hz = 45_000_000
    baud = 1_000_000
    link = "serial line over USB (BL702)"
    preset = "tang-nano-9k"
    programming = "openFPGALoader --board tangnano9k TOP.fs"
