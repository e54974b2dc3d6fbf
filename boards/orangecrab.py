"""OrangeCrab r0.2 with an ECP5-25F: oscillator 48 MHz, serial line at its pins 0 (to the board) and 1 (from it).

Its USB port is wired to the FPGA itself; the serial line takes an adapter of 3.3 V at the Feather's pins RX and TX.
"""

from amaranth.build import Attrs
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform
from amaranth_boards.resources import UARTResource

from nomul.boards.ecp5 import Ecp5Board

__all__ = ["OrangeCrab"]


class _Platform(OrangeCrabR0_2_25FPlatform):
    resources = [*OrangeCrabR0_2_25FPlatform.resources,
                 UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33"))]


class OrangeCrab(Ecp5Board):
    """OrangeCrab r0.2 with LFE5U-25F."""

    name = "orangecrab-r0-2"
    summary = "OrangeCrab r0.2, Lattice ECP5-25F: 96 MHz, serial line at 1 Mbaud at its pins 0 and 1"
    chip = "LFE5U-25F"
    platform = _Platform
    pack_options = ("--compress", "--freq", "38.8")
    clock_hz = 96_000_000
    baud = 1_000_000
    link = "serial line at pins 0 (RX) and 1 (TX), 3.3 V"
    preset = "demo"
    programming = "dfu-util -d 1209:5af0 -a 0 -D TOP.bit"
