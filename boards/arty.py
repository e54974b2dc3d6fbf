"""Arty A7-35T: 48 MHz from its oscillator of 100 MHz, serial line at 3 Mbaud over USB.

Vivado is not run here, so the clock is one that the same accelerator exceeds by far on slower chips; with
``clock_hz`` and the PLL's divider another can be tried, and the script refuses a design that misses it.
"""

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In, Out

from nomul.boards.base import UartTop
from nomul.boards.xilinx import XilinxBoard
from nomul.gen.manifest import ports_of
from nomul.gen.spec.config import Config
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FabricPlatform

__all__ = ["ArtyA735", "ArtyTop"]

#: Pins (Digilent, Arty A7 master constraints): the lines are called as the FPGA sees them.
_PINS = {"clk100": "E3", "reset_n": "C2", "uart_rx": "A9", "uart_tx": "D10"}
#: The PLL's oscillator is ``100 MHz · _MULTIPLY``, which must be 800 to 1600 MHz (AMD DS181), and its output that by
#: `_DIVIDE`.
_OSCILLATOR, _MULTIPLY, _DIVIDE = 100_000_000, 12, 25


class ArtyTop(wiring.Component):
    """The accelerator behind a serial line, its clock from a PLL, in reset until that has locked.

    Parameters
    ----------
    config : Config
        The accelerator.
    divisor : int
        Clock cycles of a bit.

    Members
    -------
    clk100 : In(1), reset_n : In(1)
        Oscillator; the board's red button, 0 while it is pressed.
    uart_rx : In(1), uart_tx : Out(1)
        The serial line.
    """

    clk100: In(1)
    reset_n: In(1)
    uart_rx: In(1, init=1)
    uart_tx: Out(1, init=1)

    def __init__(self, config: Config, divisor: int):
        self._config, self._divisor = config, divisor
        super().__init__()

    def elaborate(self, platform):
        """PLL, reset, accelerator."""
        m = Module()
        made = Signal()
        clock = Signal()
        feedback = Signal()
        locked = Signal()
        m.submodules.pll = Instance(
            "PLLE2_BASE", p_CLKIN1_PERIOD=1e9 / _OSCILLATOR, p_CLKFBOUT_MULT=_MULTIPLY, p_CLKOUT0_DIVIDE=_DIVIDE,
            i_CLKIN1=self.clk100, i_CLKFBIN=feedback, o_CLKFBOUT=feedback, o_CLKOUT0=made, o_LOCKED=locked,
            i_RST=Const(0), i_PWRDWN=Const(0))
        m.submodules.buffer = Instance("BUFG", i_I=made, o_O=clock)
        m.domains.sync = ClockDomain("sync")
        m.d.comb += ClockSignal("sync").eq(clock)
        m.submodules.reset = ResetSynchronizer(~(locked & self.reset_n), domain="sync")
        m.submodules.top = top = UartTop(self._config, self._divisor)
        m.d.comb += [top.rx.eq(self.uart_rx), self.uart_tx.eq(top.tx)]
        return m


class ArtyA735(XilinxBoard):
    """Digilent Arty A7-35T."""

    name = "arty-a7-35"
    summary = "Digilent Arty A7-35T, AMD Artix-7: 48 MHz, serial line at 3 Mbaud over USB"
    chip = "XC7A35T"
    clock_hz = _OSCILLATOR * _MULTIPLY // _DIVIDE
    baud = 3_000_000
    link = "serial line over USB (FTDI)"
    preset = "arty"
    programming = "openFPGALoader --board arty_a7_35t TOP.bit"

    def design(self, config: Config) -> ArtyTop:
        """See `XilinxBoard.design`."""
        return ArtyTop(config, self.divisor)

    def emit(self, config: Config, top: str) -> tuple[list[dict], dict[str, str]]:
        """See `Board.emit`: Verilog, constraints, and the script for Vivado."""
        self.check(config)
        design = self.design(config)
        ports = [{**port, "pins": [_PINS[port["name"]]]} for port in ports_of(design) if port["name"] in _PINS]
        files = {f"{top}.v": emit_verilog(design, top, FabricPlatform("xilinx")), f"{top}.xdc": _constraints(),
                 f"{top}.tcl": _script(top, self.part)}
        return ports, files


def _constraints() -> str:
    lines = [f"set_property -dict {{PACKAGE_PIN {pin} IOSTANDARD LVCMOS33}} [get_ports {name}]"
             for name, pin in _PINS.items()]
    return "\n".join([
        *lines,
        f"create_clock -name clk100 -period {1e9 / _OSCILLATOR:.3f} [get_ports clk100]",
        "# Both come at any time, and are synchronized.",
        "set_false_path -from [get_ports {uart_rx reset_n}]",
        "set_false_path -to [get_ports uart_tx]",
        "set_property CFGBVS VCCO [current_design]",
        "set_property CONFIG_VOLTAGE 3.3 [current_design]",
        "set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]",
    ]) + "\n"


def _script(top: str, part: str) -> str:
    return "\n".join([
        f"# Makes {top}.bit: vivado -mode batch -source {top}.tcl",
        "cd [file dirname [file normalize [info script]]]",
        f"create_project -in_memory -part {part}",
        f"read_verilog {top}.v",
        f"read_xdc {top}.xdc",
        f"synth_design -top {top} -part {part} -max_dsp 0",
        "opt_design",
        "place_design",
        "phys_opt_design",
        "route_design",
        f"report_utilization -file {top}_utilization.txt",
        f"report_timing_summary -file {top}_timing.txt",
        "if {[llength [get_cells -hierarchical -quiet -filter {REF_NAME =~ DSP*}]]} {",
        '    error "there is a multiplier in the design"',
        "}",
        "set slack [get_property SLACK [get_timing_paths -max_paths 1 -delay_type max]]",
        "if {$slack < 0} {",
        f'    error "the clock is missed by [expr {{-$slack}}] ns, see {top}_timing.txt: take a smaller configuration"',
        "}",
        f"write_bitstream -force {top}.bit",
    ]) + "\n"
