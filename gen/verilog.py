"""From a component to Verilog text."""

import re
from typing import Any

from amaranth.back import verilog
from amaranth.lib import wiring

__all__ = ["emit_verilog", "module_name"]


def module_name(name: str) -> str:
    """A configuration's name as a Verilog identifier."""
    return re.sub(r"^(?=\d)|^$", "_", re.sub(r"\W", "_", name, flags=re.ASCII))


def emit_verilog(component: wiring.Component, name: str, platform: Any = None) -> str:
    """Verilog text of a component, with no path and no time in it: the same component gives the same text.

    Stream ports are called ``<stream>__payload``, ``<stream>__valid``, ``<stream>__ready``; the clock domain
    adds ``clk`` and ``rst``.

    Parameters
    ----------
    component : wiring.Component
        What to convert.
    name : str
        Name of its module.
    platform : optional
        Chooses the adder primitives: an Amaranth platform or `nomul.hdl.fabric.FabricPlatform`. None: generic Verilog.
    """
    return verilog.convert(component, name=name, platform=platform, emit_src=False, strip_internal_attrs=True)
