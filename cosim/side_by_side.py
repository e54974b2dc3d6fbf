"""Several components in one design, so that a tool that takes seconds to start is started once for all of them."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out, connect, flipped

from nomul.cosim.cells import TARGETS, with_models
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FabricPlatform

__all__ = ["SideBySide", "fabric_verilog"]


class SideBySide(wiring.Component):
    """Components next to each other, not connected; no latency of its own.

    Parameters
    ----------
    parts : mapping from str to wiring.Component
        The components by their names.

    Members
    -------
    <name> : each part's own members
        In Verilog ``<name>__<member>``.
    """

    def __init__(self, parts: Mapping[str, wiring.Component]):
        self.parts = dict(parts)
        super().__init__({name: Out(part.signature) for name, part in self.parts.items()})

    def elaborate(self, platform: Any) -> Module:
        """Connects each part to its ports."""
        m = Module()
        for name, part in self.parts.items():
            m.submodules[name] = part
            connect(m, flipped(getattr(self, name)), part)
        return m


def fabric_verilog(component: wiring.Component, name: str, fabric: str) -> str:
    """Verilog of a component for a fabric, complete: with the vendor's published models of the cells in it.

    Parameters
    ----------
    component : wiring.Component
        What to convert.
    name : str
        Name of its module.
    fabric : str
        A key of `nomul.hdl.fabric.FABRICS`.

    Raises
    ------
    ToolchainError
        If the models, which come with yosys, are missing.
    """
    verilog = emit_verilog(component, name, FabricPlatform(fabric))
    return with_models(verilog, fabric) if fabric in TARGETS else verilog
