"""What boards with a Lattice iCE40 share: open tools (Yosys, nextpnr, Project IceStorm), and what the chips have."""

from typing import NamedTuple

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.vendor import LatticeICE40Platform

from nomul.boards.base import Step
from nomul.boards.open_board import OpenBoard
from nomul.gen.synth.family import FAMILIES

__all__ = ["CHIPS", "Ice40Board", "Ice40Pll"]

#: Logic cells (a look-up table and a flip-flop each), block RAMs of 4 kbit, large RAMs of 256 kbit, nextpnr's option,
#: and whose delays ABC counts with (Lattice FPGA-DS-02029 and FPGA-DS-02008).
CHIPS = {"iCE40HX8K": (7680, 32, 0, "--hx8k", "hx"), "iCE40UP5K": (5280, 30, 4, "--up5k", "u")}


class Ice40Pll(NamedTuple):
    """A PLL whose input is the clock's pin: ``clock · (divf + 1) / 2^divq`` (Lattice FPGA-TN-02052).

    Attributes
    ----------
    cell : str
        "SB_PLL40_PAD" if the pin is the PLL's own, or else "SB_PLL40_CORE".
    divf, divq : int
        The oscillator, 533 to 1066 MHz, is ``divf + 1`` times the clock, and is divided by ``2^divq``.
    filter_range : int
        By the frequency of the input: 1 for 10 to 25 MHz.
    """

    cell: str
    divf: int
    divq: int
    filter_range: int = 1


class Ice40Board(OpenBoard):
    """A board with an iCE40.

    Attributes
    ----------
    platform : type
        The board's pins.
    pll : Ice40Pll, optional
        Makes the accelerator's clock, if it is not the board's oscillator.
    """

    family = FAMILIES["ice40"]
    platform: type[LatticeICE40Platform]
    platform_options = {"toolchain": "IceStorm"}
    pll: Ice40Pll | None = None

    @property
    def chip(self) -> str:  # type: ignore[override]
        """See `Board`."""
        return self.platform.device

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]
        """See `Board`."""
        cells, memories, sprams, _, _ = CHIPS[self.chip]
        return {"luts": cells, "ffs": cells, "memories": memories, "sprams": sprams}

    @property
    def synthesis_options(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `OpenBoard`."""
        return ("-device", CHIPS[self.chip][4])

    def clock(self, m: Module, platform: LatticeICE40Platform) -> None:
        """See `OpenBoard.clock`: with a PLL, and a reset until it has locked and block RAMs can be read.

        They read as 0 for some 3 µs after the start, of which Amaranth's own clock takes care, too.
        """
        if self.pll is None:
            return
        pin = platform.request(platform.default_clk, dir="-")
        clock, locked = Signal(), Signal()
        m.submodules.pll = Instance(
            self.pll.cell, p_FEEDBACK_PATH="SIMPLE", p_DIVR=Const(0, 4), p_DIVF=Const(self.pll.divf, 7),
            p_DIVQ=Const(self.pll.divq, 3), p_FILTER_RANGE=Const(self.pll.filter_range, 3),
            **{"i_PACKAGEPIN" if self.pll.cell.endswith("PAD") else "i_REFERENCECLK": pin.io},
            i_RESETB=Const(1), i_BYPASS=Const(0), o_PLLOUTGLOBAL=clock, o_LOCK=locked)
        m.domains.start = ClockDomain("start", reset_less=True, local=True)
        m.domains.sync = ClockDomain("sync")
        delay = round(15e-6 * self.clock_hz)
        timer, ready = Signal(range(delay + 1)), Signal()
        m.d.comb += [ClockSignal("start").eq(clock), ClockSignal("sync").eq(clock), ResetSignal("sync").eq(~ready)]
        m.d.start += ready.eq(timer == delay)
        with m.If(~locked):
            m.d.start += timer.eq(0)
        with m.Elif(timer != delay):
            m.d.start += timer.eq(timer + 1)

    def place(self, top: str) -> tuple[str, ...]:
        """See `OpenBoard.place`."""
        return (CHIPS[self.chip][3], "--package", self.platform.package.lower(), "--pcf", f"{top}.pcf",
                "--asc", f"{top}.asc")

    def pack(self, top: str) -> Step:
        """See `OpenBoard.pack`."""
        return Step("icepack", (f"{top}.asc", f"{top}.bin"), (f"{top}.bin",))
