"""What boards with an AMD Xilinx chip share: Vivado makes their bitstreams, from files that nomul writes."""

from abc import abstractmethod

from amaranth.lib import wiring

from nomul.boards.base import Board, Step
from nomul.gen.spec.config import Config
from nomul.gen.synth.family import FAMILIES

__all__ = ["CHIPS", "XilinxBoard"]

#: Look-up tables, flip-flops, block RAMs of 36 kbit, and the part for Vivado (AMD DS180, DS190).
CHIPS = {"XC7A35T": (20800, 41600, 50, "xc7a35ticsg324-1L"), "XC7Z020": (53200, 106400, 140, "xc7z020clg400-1")}


class XilinxBoard(Board):
    """A board whose bitstream Vivado makes."""

    family = FAMILIES["xilinx"]
    toolchain = "Vivado"
    bitstream = False

    @property
    def resources(self) -> dict[str, int]:  # type: ignore[override]
        """See `Board`."""
        luts, ffs, memories, _ = CHIPS[self.chip]
        return {"luts": luts, "ffs": ffs, "memories": memories}

    @property
    def part(self) -> str:
        """Vivado's name of the chip."""
        return CHIPS[self.chip][3]

    @abstractmethod
    def design(self, config: Config) -> wiring.Component:
        """What goes into the chip: the top module."""

    def steps(self, top: str) -> list[Step]:
        """See `Board.steps`: none."""
        return []

    def vendor_command(self, top: str) -> str:
        """See `Board.vendor_command`."""
        return f"vivado -mode batch -source {top}.tcl"
