"""One description for each FPGA family: what its netlists are made of, how its tools count, what files are called."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

__all__ = ["FAMILIES", "KINDS", "Family"]

#: What a chip has, in the order in which it is shown, and what a person calls it.
KINDS: Mapping[str, str] = MappingProxyType({
    "luts": "look-up tables", "ffs": "flip-flops", "memories": "block RAMs", "sprams": "large RAMs",
    "dsps": "multiplier blocks"})


@dataclass(frozen=True)
class Family:
    """How a family's designs are synthesized, counted and packed.

    Attributes
    ----------
    name : str
        The family's, and that of its `nomul.hdl.fabric.Fabric`.
    synthesis : str
        Synthesis command of Yosys, without the name of the top module.
    cells : mapping of str to (str, int)
        Of each type of netlist cell (``*`` stands for anything) what it takes: of which of `KINDS`, and how many. The
        first that matches counts; cells that nothing matches take nothing.
    block_shapes : tuple of (int, int)
        Shapes of a block RAM: bits × words.
    place : str
        The tool of `nomul.gen.synth.tools` that places and routes; empty if that is the vendor's.
    reported : mapping of str to tuple of str
        For each of `KINDS` the names under which that tool reports it; what it does not report is counted in the
        netlist.
    suffix : str
        Of bitstream files.
    constraints : str
        Suffix of the file with the pins.
    large_shape : (int, int), optional
        Shape of a large RAM with a single port ("sprams"), on those chips of the family that have some.
    """

    name: str
    synthesis: str
    cells: Mapping[str, tuple[str, int]]
    block_shapes: tuple[tuple[int, int], ...]
    place: str = ""
    reported: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suffix: str = "bit"
    constraints: str = "xdc"
    large_shape: tuple[int, int] | None = None

    def block_rams(self, bits: int, words: int) -> int:
        """Block RAMs that a memory takes in the best of their shapes."""
        return min(-(-bits // width) * -(-words // depth) for width, depth in self.block_shapes)

    def large_rams(self, bits: int, words: int) -> int:
        """Large RAMs that a memory takes; 0 if the family has none."""
        if self.large_shape is None:
            return 0
        width, depth = self.large_shape
        return -(-bits // width) * -(-words // depth)

    def count(self, types: Iterable[str]) -> dict[str, int]:
        """What a flat netlist takes, given the type of each of its cells."""
        used = dict.fromkeys(KINDS, 0)
        known: dict[str, tuple[str, int]] = {}
        for cell in types:
            if cell not in known:
                known[cell] = next((each for name, each in self.cells.items() if fnmatchcase(cell, name)), ("luts", 0))
            kind, amount = known[cell]
            used[kind] += amount
        return used


_ECP5 = Family(
    "ecp5", "synth_ecp5",
    cells={"LUT4": ("luts", 1), "CCU2C": ("luts", 2), "TRELLIS_DPR16X4": ("luts", 6), "TRELLIS_FF": ("ffs", 1),
           "DP16KD": ("memories", 1), "PDPW16KD": ("memories", 1), "MULT*": ("dsps", 1), "ALU54B": ("dsps", 1)},
    block_shapes=((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    place="nextpnr-ecp5", suffix="bit", constraints="lpf",
    reported={"luts": ("TRELLIS_COMB",), "ffs": ("TRELLIS_FF",), "memories": ("DP16KD",),
              "dsps": ("MULT18X18D", "ALU54B")})

#: A logic cell has a look-up table, a carry and a flip-flop; nextpnr reports cells.
_ICE40 = Family(
    "ice40", "synth_ice40",
    cells={"SB_LUT4": ("luts", 1), "SB_DFF*": ("ffs", 1), "SB_RAM40_4K*": ("memories", 1),
           "SB_SPRAM256KA": ("sprams", 1), "SB_MAC16": ("dsps", 1)},
    block_shapes=((16, 256), (8, 512), (4, 1024), (2, 2048)), large_shape=(16, 16384),
    place="nextpnr-ice40", suffix="bin", constraints="pcf",
    reported={"luts": ("ICESTORM_LC",), "memories": ("ICESTORM_RAM",), "sprams": ("ICESTORM_SPRAM",),
              "dsps": ("ICESTORM_DSP",)})

_GOWIN = Family(
    "gowin", "synth_gowin -nodsp -nowidelut",
    cells={"LUT[1-4]": ("luts", 1), "ALU": ("luts", 1), "RAM16SDP4": ("luts", 4), "RAM16S*": ("luts", 4),
           "DFF*": ("ffs", 1), "SP": ("memories", 1), "SPX9": ("memories", 1), "SDP*": ("memories", 1),
           "DP*": ("memories", 1), "pROM*": ("memories", 1), "MULT*": ("dsps", 1), "PADD*": ("dsps", 1)},
    block_shapes=((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)),
    place="nextpnr-himbaechel-gowin", suffix="fs", constraints="cst",
    reported={"luts": ("LUT4", "ALU"), "ffs": ("DFF",), "memories": ("BSRAM",), "dsps": ("MULT18X18", "MULT9X9")})

#: The vendor's tool makes the bitstream; a block RAM is one of 36 kbit.
_XILINX = Family(
    "xilinx", "synth_xilinx -family xc7 -nodsp",
    cells={"LUT[1-6]": ("luts", 1), "SRL16E": ("luts", 1), "SRLC32E": ("luts", 1), "FD*": ("ffs", 1),
           "RAMB36E1": ("memories", 1), "DSP48E1": ("dsps", 1)},
    block_shapes=((72, 512), (36, 1024), (18, 2048), (9, 4096), (4, 8192), (2, 16384), (1, 32768)))

#: By name.
FAMILIES: dict[str, Family] = {family.name: family for family in (_ECP5, _ICE40, _GOWIN, _XILINX)}
