"""Registers behind block RAMs move into the block RAMs, which Yosys does not do: their outputs come 4.7 ns earlier.

From the clock to the data an ECP5's block RAM takes 5.6 ns at speed grade 6, with its output register 0.9 ns (Project
Trellis' timing database); the register, TN-02204 "ECP5 and ECP5-5G Memory Usage Guide", is there in any case.

This file goes with every design for an ECP5, and is run between Yosys and nextpnr, so it needs Python alone:

    python3 output_registers.py TOP NETLIST.json RESULT.json
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["main", "use_output_registers"]

_MEMORY, _REGISTER = "DP16KD", "TRELLIS_FF"
#: A width at which one port has the data pins of both.
_BOTH_PORTS = 36


def use_output_registers(module: dict[str, Any]) -> int:
    """Rewrites a module of a flat netlist of an ECP5: as many cycles as before, and the same data.

    A port of a block RAM gets its output register where every bit of its data that goes anywhere goes to a flip-flop
    alone that loads in each cycle, at the same clock, without reset.

    Parameters
    ----------
    module : dict
        As Yosys' ``write_json`` has it, with ``cells`` and ``ports``.

    Returns
    -------
    int
        Flip-flops that are no longer needed.
    """
    cells = module["cells"]
    sinks: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input":
                for bit in bits:
                    sinks[bit].append((name, pin))
    for port in module["ports"].values():
        for bit in port["bits"]:
            sinks[bit].append(("", ""))         # never a flip-flop's input
    folded = 0
    for name in [name for name, cell in cells.items() if cell["type"] == _MEMORY]:
        for port in "AB":
            registers = _registers(cells, sinks, cells[name], port)
            for pin, register in registers.items():
                cells[name]["connections"][pin] = cells.pop(register)["connections"]["Q"]
            if registers:
                cells[name]["parameters"][f"REGMODE_{port}"] = "OUTREG"
                cells[name]["connections"][f"OCE{port}"] = ["1"]
            folded += len(registers)
    return folded


def _registers(cells: Mapping[str, Any], sinks: Mapping[Any, Iterable[tuple[str, str]]], memory: Mapping[str, Any],
               port: str) -> dict[str, str]:
    """For each data pin of a port that is in use its flip-flop; empty if one of them has none that could move."""
    pins, parameters = memory["connections"], memory["parameters"]
    widths = [int(parameters[f"DATA_WIDTH_{each}"], 2) for each in "AB"]
    if _BOTH_PORTS in widths or pins[f"CE{port}"] != ["1"] or pins[f"RST{port}"] != ["0"]:
        return {}
    if parameters[f"CLK{port}MUX"] != f"CLK{port}":
        return {}
    registers = {}
    for pin in (f"DO{port}{n}" for n in range(18)):
        bit, = pins.get(pin) or [None]
        if not sinks.get(bit):
            continue
        (name, sink), *others = sinks[bit]
        if others or sink != "DI" or not _plain(cells[name], pins[f"CLK{port}"]):
            return {}
        registers[pin] = name
    return registers


def _plain(cell: Mapping[str, Any], clock: list[Any]) -> bool:
    """Whether a cell is a flip-flop that does nothing but load 0 at first, and its input at every edge of the clock."""
    pins, parameters = cell["connections"], cell["parameters"]
    return (cell["type"] == _REGISTER and pins["CLK"] == clock and parameters.get("CLKMUX", "CLK") == "CLK"
            and parameters.get("CEMUX", "1").strip() == "1" and pins.get("LSR", ["0"]) == ["0"]
            and parameters.get("REGSET", "RESET") == "RESET")


def main(top: str, netlist: str, result: str) -> None:
    """Writes `netlist` with output registers to `result`; both are files of Yosys' ``write_json``, flat, of `top`."""
    design = json.loads(Path(netlist).read_text(encoding="utf-8"))
    folded = use_output_registers(design["modules"][top])
    Path(result).write_text(json.dumps(design), encoding="utf-8")
    print(f"{folded} flip-flops moved into block RAMs")


if __name__ == "__main__":
    main(*sys.argv[1:])
