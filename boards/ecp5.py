"""What boards with a Lattice ECP5 share: open tools (Yosys, nextpnr, Project Trellis), and what the chips have."""

import inspect

from amaranth.build import TemplatedPlatform
from amaranth.hdl import Module
from amaranth.vendor import LatticeECP5Platform

from nomul.boards.base import Step
from nomul.boards.ecp5_pll import make_clock
from nomul.boards.open_board import OpenBoard
from nomul.gen.synth import output_registers
from nomul.gen.synth.family import FAMILIES

__all__ = ["CHIPS", "Ecp5Board"]

#: Look-up tables, which are as many as flip-flops, block RAMs of 18 kbit, and nextpnr's option (Lattice FPGA-DS-02012).
CHIPS = {"LFE5U-25F": (24288, 56, "--25k"), "LFE5U-85F": (83640, 208, "--85k")}


class Ecp5Board(OpenBoard):
    """A board with an ECP5.

    Attributes
    ----------
    platform : type
        The board's pins.
    place_options : tuple of str
        For `nextpnr-ecp5`.
    pack_options : tuple of str
        For `ecppack`.
    """

    family = FAMILIES["ecp5"]
    platform: type[LatticeECP5Platform]
    platform_options = {"toolchain": "Trellis"}
    scripts = {"output_registers.py": inspect.getsource(output_registers)}
    place_options: tuple[str, ...] = ()
    pack_options: tuple[str, ...] = ()

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]
        """See `Board`."""
        luts, memories, _ = CHIPS[self.chip]
        return {"luts": luts, "ffs": luts, "memories": memories}

    def clock(self, m: Module, platform: TemplatedPlatform) -> None:
        """See `OpenBoard.clock`: through the PLL, if the board's clock is not that of its oscillator."""
        if self.clock_hz != round(platform.default_clk_frequency):
            make_clock(m, platform, self.clock_hz)

    def place(self, top: str) -> tuple[str, ...]:
        """See `OpenBoard.place`."""
        package = {"BG": "CABGA", "MG": "CSFBGA"}[self.platform.package[:2]] + self.platform.package[2:]
        return (CHIPS[self.chip][2], "--package", package, "--speed", self.platform.speed, "--lpf", f"{top}.lpf",
                "--textcfg", f"{top}.config", *self.place_options)

    def rework(self, top: str) -> list[Step]:
        """See `OpenBoard.rework`: registers behind block RAMs move into them."""
        script, = self.scripts
        reworked = f"{top}.reworked.json"
        return [Step("python3", (script, top, f"{top}.json", reworked), (reworked,))]

    def pack(self, top: str) -> Step:
        """See `OpenBoard.pack`."""
        return Step("ecppack", ("--input", f"{top}.config", "--bit", f"{top}.bit", *self.pack_options),
                    (f"{top}.bit",))
