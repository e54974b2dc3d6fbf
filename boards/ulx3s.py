"""ULX3S with an ECP5: oscillator 25 MHz, serial line over its FTDI chip (FT231X, which can do 2 and 3 Mbaud).

Facts that are easy to miss (ULX3S manual and schematic, radiona.org):
- `uart_tx_enable` of amaranth-boards is the FTDI chip's output TXDEN, so it must not be driven.
- ESP32's GPIO0 must be held high, else the ESP32 falls into its boot loader at its next reset.
"""

from amaranth.build import TemplatedPlatform
from amaranth.hdl import Const, Module
from amaranth.lib import io
from amaranth_boards.ulx3s import ULX3S_25F_Platform, ULX3S_85F_Platform

from nomul.boards.ecp5 import Ecp5Board

__all__ = ["Ulx3s25f", "Ulx3s85f"]


class Ulx3s85f(Ecp5Board):
    """ULX3S with LFE5U-85F."""

    name = "ulx3s-85f"
    summary = "Radiona ULX3S, Lattice ECP5-85F: 100 MHz, serial line at 3 Mbaud over USB"
    chip = "LFE5U-85F"
    platform = ULX3S_85F_Platform
    clock_hz = 100_000_000
    baud = 3_000_000
    link = "serial line over USB (FTDI)"
    preset = "ulx3s"
    # On a chip this wide, short ways between registers count more than few wires in all. And cells must not settle too
    # early: they begin in one heap, and with nextpnr's alpha of 0.1 wires stay longer, for which the router pays.
    place_options: tuple[str, ...] = (
        "--placer-heap-timingweight", "80", "--placer-heap-critexp", "6", "--placer-heap-alpha", "0.05")
    programming = "openFPGALoader --board ulx3s TOP.bit"

    def extra(self, m: Module, platform: TemplatedPlatform) -> None:
        """The ESP32 stays out of its boot loader."""
        esp32 = platform.request("esp32", 0, dir=dict.fromkeys(
            ("en", "tx", "rx", "gpio0", "gpio5", "gpio16", "gpio17"), "-"))
        m.submodules.gpio0_pin = gpio0 = io.Buffer("o", esp32.gpio0)
        m.d.comb += gpio0.o.eq(Const(1))


class Ulx3s25f(Ulx3s85f):
    """ULX3S with LFE5U-25F."""

    name = "ulx3s-25f"
    summary = "Radiona ULX3S, Lattice ECP5-25F: 75 MHz, serial line at 3 Mbaud over USB"
    chip = "LFE5U-25F"
    platform = ULX3S_25F_Platform
    clock_hz = 75_000_000
    preset = "demo"
    place_options = ()
