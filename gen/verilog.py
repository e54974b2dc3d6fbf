"""From a component to Verilog text."""

import re
from collections.abc import Callable
from typing import Any

from amaranth.back import verilog
from amaranth.lib import wiring

__all__ = ["emit_verilog", "module_name", "with_initial_values", "without_initial_values"]

#: A register with an initial value; those that Yosys adds for the sake of simulators have one without a width.
_REGISTER = re.compile(r"^( *reg (?:\[[^\]]*\] )?(?:\\\S+ |\w+)) *= *(\d+)'\w+;$", re.MULTILINE)
#: The contents of a memory, and a word of them.
_MEMORY = re.compile(r"^ *initial begin\n((?: *(\\\S+ |\w+)\[\d+\] = \d+'\w+;\n)+) *end\n", re.MULTILINE)
_WORD = re.compile(r"^( *(?:\\\S+ |\w+)\[\d+\]) = (\d+)'\w+;$", re.MULTILINE)


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
    """Verilog of `emit_verilog` whose registers and memories hold anything when power comes, as those of a chip do.

    Tables, which are memories that nothing writes, stay as they are.
    """
    return _by_module(verilog, lambda found: f"{found[1]};", lambda found: "")


def with_initial_values(verilog: str, value: Callable[[int], int]) -> str:
    """Verilog of `emit_verilog` with other initial values of registers and memories: `value` of so many bits."""
    def word(found: re.Match[str]) -> str:
        return f"{found[1]} = {found[2]}'h{value(int(found[2])):x};"

    return _by_module(verilog, word, lambda found: _WORD.sub(word, found[0]))


def _by_module(verilog: str, register: Callable[[re.Match[str]], str], memory: Callable[[re.Match[str]], str]) -> str:
    """Replaces the initial values of all registers, and of the memories that something writes."""
    def changed(module: str) -> str:
        def written(found: re.Match[str]) -> str:
            write = re.compile(re.escape(found[2]) + r"\[[^\n]*\] <= ")
            return memory(found) if write.search(module) else found[0]

        return _MEMORY.sub(written, _REGISTER.sub(register, module))

    return "\nmodule ".join(map(changed, verilog.split("\nmodule ")))
