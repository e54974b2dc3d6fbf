"""What boards with a Gowin LittleBee share: open tools (Yosys, nextpnr, Project Apicula), and what the chips have."""

from typing import NamedTuple

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.vendor import GowinPlatform

from nomul.boards.base import Step
from nomul.boards.open_board import OpenBoard
from nomul.gen.synth.family import FAMILIES

__all__ = ["CHIPS", "GowinBoard", "GowinPll"]

#: Look-up tables, flip-flops, block RAMs of 18 kbit, and the die, which Project Apicula goes by (Gowin DS117).
CHIPS = {"GW1NR-9C": (8640, 6480, 26, "GW1N-9C")}


class GowinPll(NamedTuple):
    """A PLL: ``clock · multiply / divide``; its oscillator, 400 to 1200 MHz, is `post` times that (Gowin UG286).

    Attributes
    ----------
    multiply, divide, post : int
        1 to 64; 1 to 64; 2, 4, 8, 16, 32, 48, 64, 80, 96, 112 or 128.
    """

    multiply: int
    divide: int
    post: int


class GowinBoard(OpenBoard):
    """A board with a LittleBee. Amaranth's own flow calls nextpnr-gowin, which is no more.

    Attributes
    ----------
    platform : type
        The board's pins.
    pll : GowinPll, optional
        Makes the accelerator's clock, if it is not the board's oscillator.
    """

    family = FAMILIES["gowin"]
    platform: type[GowinPlatform]
    platform_options = {"toolchain": "Apicula"}
    pll: GowinPll | None = None

    @property
    def chip(self) -> str:  # type: ignore[override]
        """See `Board`."""
        return self.platform.family

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]
        """See `Board`."""
        luts, ffs, memories, _ = CHIPS[self.chip]
        return {"luts": luts, "ffs": ffs, "memories": memories}

    def clock(self, m: Module, platform: GowinPlatform) -> None:
        """See `OpenBoard.clock`: with a PLL, and a reset until it has locked."""
        if self.pll is None:
            return
        m.submodules.clock_pin = pin = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        clock, locked = Signal(), Signal()
        static = {f"p_{name}": value for name, value in (
            ("CLKFB_SEL", "internal"), ("CLKOUT_BYPASS", "false"), ("CLKOUTP_BYPASS", "false"),
            ("CLKOUTD_BYPASS", "false"), ("DYN_IDIV_SEL", "false"), ("DYN_FBDIV_SEL", "false"),
            ("DYN_ODIV_SEL", "false"), ("DYN_DA_EN", "false"), ("DYN_SDIV_SEL", 2), ("PSDA_SEL", "0000"),
            ("DUTYDA_SEL", "1000"), ("CLKOUT_FT_DIR", Const(1, 1)), ("CLKOUTP_FT_DIR", Const(1, 1)),
            ("CLKOUT_DLY_STEP", 0), ("CLKOUTP_DLY_STEP", 0), ("CLKOUTD_SRC", "CLKOUT"), ("CLKOUTD3_SRC", "CLKOUT"))}
        idle = {f"i_{name}": Const(0, bits) for name, bits in (
            ("RESET", 1), ("RESET_P", 1), ("CLKFB", 1), ("FBDSEL", 6), ("IDSEL", 6), ("ODSEL", 6), ("PSDA", 4),
            ("DUTYDA", 4), ("FDLY", 4))}
        m.submodules.pll = Instance(
            "rPLL", p_DEVICE=self.chip, p_FCLKIN=f"{platform.default_clk_frequency / 1e6:g}",
            p_IDIV_SEL=self.pll.divide - 1, p_FBDIV_SEL=self.pll.multiply - 1, p_ODIV_SEL=self.pll.post,
            i_CLKIN=pin.i, o_CLKOUT=clock, o_LOCK=locked, **static, **idle)
        m.domains.sync = ClockDomain("sync")
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync")
        m.d.comb += ClockSignal("sync").eq(clock)

    def place(self, top: str) -> tuple[str, ...]:
        """See `OpenBoard.place`; the file of pins has no clock, so its rate is an argument."""
        return ("--device", self.platform.part, "--vopt", f"family={CHIPS[self.chip][3]}", "--vopt", f"cst={top}.cst",
                "--freq", f"{self.clock_hz / 1e6:g}", "--write", f"{top}.placed")

    def pack(self, top: str) -> Step:
        """See `OpenBoard.pack`."""
        return Step("gowin_pack", ("-d", CHIPS[self.chip][3], "-o", f"{top}.fs", f"{top}.placed"), (f"{top}.fs",))
