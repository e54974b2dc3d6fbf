"""From a component to Verilog text."""

import re
from typing import Any

from amaranth.back import verilog
from amaranth.lib import wiring

__all__ = ["emit_verilog", "module_name", "without_initial_values"]

#: A register with an initial value; one that Yosys adds for the sake of simulators has a value without a width.
_REGISTER = re.compile(r"^( *reg (?:\[[^\]]*\] )?(?:\\\S+ |\w+)) *= *\d+'\w+;$", re.MULTILINE)
_MEMORY = re.compile(r"^ *initial begin\n(?: *(?:\\\S+ |\w+)\[\d+\] = .*;\n)* *end\n", re.MULTILINE)


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


def without_initial_values(verilog: str) -> str:
    """Verilog of `emit_verilog` whose registers and memories hold anything when power comes, as those of a chip do."""
    return _MEMORY.sub("", _REGISTER.sub(r"\1;", verilog))
