"""Targets: adder and memory primitives of each FPGA family, chosen by the platform that a design is elaborated for."""

from typing import Any

from nomul.hdl.fabric.base import Fabric
from nomul.hdl.fabric.ecp5 import Ecp5
from nomul.hdl.fabric.gowin import Gowin
from nomul.hdl.fabric.operand import Operand
from nomul.hdl.fabric.simple import Asic, Ice40, Ice40UltraPlus
from nomul.hdl.fabric.xilinx import Xilinx

__all__ = ["FABRICS", "Asic", "Fabric", "FabricPlatform", "Operand", "fabric_of"]

#: Every fabric by its name.
FABRICS: dict[str, Fabric] = {fabric.name: fabric for fabric in (
    Fabric(), Ecp5(), Ice40(), Ice40UltraPlus(), Gowin(), Xilinx(), Asic())}

#: Words in the device name of Amaranth's platforms, and the fabric of such a device.
_DEVICES = (("lfe5u", "ecp5"), ("ice40up", "ice40up"), ("ice40", "ice40"), ("gw1", "gowin"), ("gw2", "gowin"),
            ("xc7", "xilinx"), ("xcz", "xilinx"), ("xck", "xilinx"), ("xa7", "xilinx"))


class FabricPlatform:
    """Stands for a target where no board is known: give it to `emit_verilog` as `platform`.

    Parameters
    ----------
    name : str
        A key of `FABRICS`.

    Raises
    ------
    ValueError
        For another name.
    """

    def __init__(self, name: str):
        if name not in FABRICS:
            raise ValueError(f"fabric must be one of {', '.join(FABRICS)}, not {name!r}")
        self.fabric = FABRICS[name]


def fabric_of(platform: Any) -> Fabric:
    """The fabric of an Amaranth platform or `FabricPlatform`; the generic one for None or a device unknown here."""
    if isinstance(platform, FabricPlatform):
        return platform.fabric
    device = str(getattr(platform, "device", getattr(platform, "part", ""))).lower()     # Gowin's have a part only
    name = next((fabric for word, fabric in _DEVICES if device.startswith(word)), "generic")
    return FABRICS[name]
