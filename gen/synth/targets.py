"""The fabrics that designs are measured on: how each is synthesized, on which device it is placed, what is counted."""

from collections.abc import Mapping
from dataclasses import dataclass

from nomul.gen.spec.errors import NomulError

__all__ = ["TARGETS", "Device", "Target", "TargetError", "find_target"]


class TargetError(NomulError):
    """A target that does not exist, or that cannot do what is asked."""


@dataclass(frozen=True)
class Device:
    """A chip to place on.

    Parameters
    ----------
    name : str
        The vendor's name, with package and speed.
    luts, ffs, dsps : int
        What it has of each, from the databases of nextpnr 0.11; of multipliers, the smallest kind is counted.
    arguments : tuple of str
        What selects it in nextpnr.
    """

    name: str
    luts: int
    ffs: int
    dsps: int
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """How one fabric is synthesized, placed and counted.

    All commands flatten, add no buffers at the ports, and make no LUT wider than the
    fabric's own (those of two LUTs and a multiplexer save time, at up to twice the LUTs).

    Parameters
    ----------
    name : str
        The target's, and that of its `Fabric`.
    command : str
        Synthesis command of Yosys, without the name of the top module.
    without_dsp, with_dsp : str
        Option that forbids or allows multiplier blocks.
    counting : str
        How LUTs are counted, in words.
    luts : mapping of str to int
        LUTs that a cell takes.
    carries, ffs, dsps, memories : tuple of str
        Types of cells counted as such; ``*`` stands for anything.
    packs_luts : bool
        Whether LUTs are counted as `pack_lut6` packs them; they are not in `luts` then.
    nextpnr : str, optional
        The tool that places and routes; None if there is none.
    devices : tuple of Device
        From the smallest up; the first that is large enough is taken.
    """

    name: str
    command: str
    without_dsp: str
    with_dsp: str
    counting: str
    luts: Mapping[str, int]
    carries: tuple[str, ...]
    ffs: tuple[str, ...]
    dsps: tuple[str, ...]
    memories: tuple[str, ...]
    packs_luts: bool = False
    nextpnr: str | None = None
    devices: tuple[Device, ...] = ()


_ECP5 = Target(
    "ecp5", "synth_ecp5 -noiopad -nowidelut", "-nodsp", "",
    counting="LUT4, and 2 for each CCU2C; PFUMX and L6MUX21 are not counted",
    luts={"LUT4": 1, "CCU2C": 2}, carries=("CCU2C",), ffs=("TRELLIS_FF",),
    dsps=("MULT18X18D", "MULT9X9D", "ALU54B", "ALU24B"), memories=("DP16KD", "PDPW16KD", "TRELLIS_DPR16X4"),
    nextpnr="nextpnr-ecp5",
    devices=(Device("LFE5U-25F-6BG381", 24288, 24288, 28, ("--25k", "--package", "CABGA381", "--speed", "6")),
             Device("LFE5U-85F-6BG381", 83640, 83640, 156, ("--85k", "--package", "CABGA381", "--speed", "6"))))

_ICE40 = Target(
    "ice40", "synth_ice40", "", "-dsp",
    counting="SB_LUT4; SB_CARRY shares the cell of a LUT and is not counted",
    luts={"SB_LUT4": 1}, carries=("SB_CARRY",), ffs=("SB_DFF*",), dsps=("SB_MAC16",),
    memories=("SB_RAM40_4K*", "SB_SPRAM256KA"),
    nextpnr="nextpnr-ice40",
    devices=(Device("iCE40HX8K-CT256", 7680, 7680, 0, ("--hx8k", "--package", "ct256")),))

_GOWIN = Target(
    "gowin", "synth_gowin -noiopads -nowidelut", "-nodsp", "",
    counting="LUT1 to LUT4, and ALU; MUX2_LUT5 to MUX2_LUT8 are not counted",
    luts={"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1}, carries=("ALU",), ffs=("DFF*",),
    dsps=("MULT*", "ALU54D", "PADD*"), memories=("RAM16S*", "SP", "SPX9", "SDP*", "DP*", "pROM*"),
    nextpnr="nextpnr-himbaechel-gowin",
    devices=(Device("GW1NR-LV9QN88PC6/I5", 8640, 6480, 40,
                    ("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C")),))

_XILINX = Target(
    "xilinx", "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -nowidelut", "-nodsp", "",
    counting="LUT6 sites: LUT6_2 is one; two LUTs share one if they have at most 5 different inputs together "
             "and not both need its O6 output (inputs S of CARRY4, and MUXF7)",
    luts={"SRL16E": 1, "SRLC32E": 1}, packs_luts=True,
    carries=("CARRY4",), ffs=("FD*",), dsps=("DSP48E1",), memories=("RAM*",))

#: By name.
TARGETS: dict[str, Target] = {target.name: target for target in (_ECP5, _ICE40, _GOWIN, _XILINX)}


def find_target(name: str) -> Target:
    """The target of that name.

    Raises
    ------
    TargetError
        If there is none.
    """
    if name not in TARGETS:
        raise TargetError(f"there is no target {name!r} to synthesize for; known are {', '.join(sorted(TARGETS))}")
    return TARGETS[name]
