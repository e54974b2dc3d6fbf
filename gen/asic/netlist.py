"""A mapped netlist: cells of a library, and the nets between them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from nomul.gen.asic.cells import Cell, Pin, Register
from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.library import Library

__all__ = ["Block", "FlipFlop", "Instance", "Netlist", "read_netlist"]


@dataclass(frozen=True)
class Instance:
    """A cell in a design, and the net on each of its pins."""

    name: str
    cell: Cell
    nets: dict[str, int]

    def inputs(self) -> Iterator[tuple[Pin, int]]:
        """The pins that it listens to, each with its net."""
        return ((pin, self.nets[pin.name]) for pin in self.cell.pins.values() if not pin.output)

    def outputs(self) -> Iterator[tuple[Pin, int]]:
        """The pins that it drives, each with its net."""
        return ((pin, self.nets[pin.name]) for pin in self.cell.pins.values() if pin.output)


@dataclass(frozen=True)
class FlipFlop(Instance):
    """A cell that keeps a bit."""

    register: Register


@dataclass(frozen=True)
class Block:
    """A block that is no cell of the library, such as a memory, with registers behind all its inputs and outputs.

    Attributes
    ----------
    area : float
        µm².
    access : float
        When its outputs switch after the clock's edge, ns.
    setup : float
        How long before the edge its inputs must be there, ns.
    """

    area: float
    access: float
    setup: float


@dataclass(frozen=True)
class Netlist:
    """A design as it is made of cells: one clock, flip-flops, and logic without loops between them.

    Attributes
    ----------
    inputs, outputs : dict of str to tuple of int
        The nets of each port, lowest bit first. Nets 0 and 1 are the constants. The clock is no input.
    clock : int or None
        The net that all flip-flops listen to; None without flip-flops.
    registers : list of FlipFlop
        The flip-flops.
    logic : list of Instance
        All other cells, each behind those that drive it.
    names : dict of int to str
        What nets are called in the design, as far as that is known.
    blocks : dict of str to Block
        Blocks by the names of their instances.
    late, early : dict of int to float
        When the nets that blocks drive switch after the clock's edge, and how long before it those that they listen to
        must be there, ns.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    clock: int | None
    registers: list[FlipFlop]
    logic: list[Instance]
    names: dict[int, str] = field(default_factory=dict)
    blocks: dict[str, Block] = field(default_factory=dict)
    late: dict[int, float] = field(default_factory=dict)
    early: dict[int, float] = field(default_factory=dict)

    @property
    def instances(self) -> list[Instance]:
        """All cells."""
        return [*self.registers, *self.logic]

    @property
    def area(self) -> float:
        """Sum of the cells' areas, without blocks, µm²."""
        return sum(instance.cell.area for instance in self.instances)


def read_netlist(text: str, top: str, library: Library, blocks: Mapping[str, Block] | None = None) -> Netlist:
    """The netlist in what yosys' `write_json` wrote after mapping to a library.

    Parameters
    ----------
    text : str
        The JSON.
    top : str
        Name of the module.
    library : Library
        The library that it was mapped to.
    blocks : mapping of str to Block, optional
        Types of cells that may be there besides those of the library. Their pins with CLK in their names are clocks.

    Raises
    ------
    AsicError
        If a cell is not the library's, if there are latches, several clocks or a loop through logic.
    """
    module = json.loads(text)["modules"][top]
    unconnected = _counter(module)
    registers: list[FlipFlop] = []
    logic: list[Instance] = []
    names = _names(module)
    placed: dict[str, Block] = {}
    late: dict[int, float] = {}
    early: dict[int, float] = {}
    for name, content in module["cells"].items():
        if blocks and content["type"] in blocks:
            placed[name] = block = blocks[content["type"]]
            for pin, bits in content["connections"].items():
                nets = [bit for bit in bits if isinstance(bit, int) and "CLK" not in pin]
                if content["port_directions"][pin] == "output":
                    late |= dict.fromkeys(nets, block.access)
                    names = dict.fromkeys(nets, f"{name}.{pin}") | names
                else:
                    early |= {net: max(block.setup, early.get(net, block.setup)) for net in nets}
            continue
        cell = library.cells.get(content["type"])
        if cell is None:
            raise AsicError(f"{top}: cell '{name}' of type {content['type']} is not in the library {library.name}; the "
                            f"design may hold memories, latches or vendor primitives, which it has no cells for")
        pins = {pin: next(unconnected) for pin in cell.pins}
        pins |= {pin: _net(bits[0]) for pin, bits in content["connections"].items() if bits}
        if cell.register:
            registers.append(FlipFlop(name, cell, pins, cell.register))
        else:
            logic.append(Instance(name, cell, pins))
    clock = _clock(registers, top)
    ports = {direction: {name: tuple(map(_net, port["bits"])) for name, port in module["ports"].items()
                         if port["direction"] == direction} for direction in ("input", "output")}
    inputs = {name: nets for name, nets in ports["input"].items() if nets != (clock,)}
    if clock is not None and len(inputs) == len(ports["input"]):
        raise AsicError(f"{top}: the flip-flops' clock must be an input of the design; gated clocks are not measured")
    known = {0, 1}.union(late, *inputs.values(), *(instance.nets.values() for instance in registers))
    return Netlist(inputs, ports["output"], clock, registers, _ordered(logic, known, top), names, placed, late, early)


def _net(bit: int | str) -> int:
    """Yosys numbers nets from 2 and writes constants as text; undefined is as good as 0."""
    return bit if isinstance(bit, int) else int(bit == "1")


def _names(module: dict) -> dict[int, str]:
    """The design's own names of nets, not those that tools made up; of several the one nearest the top."""
    names: dict[int, str] = {}
    for name, net in module.get("netnames", {}).items():
        if not net["hide_name"]:
            for index, bit in enumerate(net["bits"]):
                text = name if len(net["bits"]) == 1 else f"{name}[{index}]"
                if isinstance(bit, int):
                    names[bit] = min(text, names.get(bit, text), key=lambda each: (each.count("."), each))
    return names


def _counter(module: dict) -> Iterator[int]:
    """Numbers that no net has, for pins that nothing is connected to."""
    bits = [bit for cell in module["cells"].values() for net in cell["connections"].values() for bit in net]
    bits += [bit for port in module["ports"].values() for bit in port["bits"]]
    number = max((bit for bit in bits if isinstance(bit, int)), default=1)
    while True:
        number += 1
        yield number


def _clock(registers: list[FlipFlop], top: str) -> int | None:
    clocks = set()
    for instance in registers:
        if instance.register.clock not in instance.nets:
            raise AsicError(f"{top}: flip-flop {instance.cell.name} listens to the falling edge; only designs on "
                            "rising edges of one clock are measured")
        clocks.add(instance.nets[instance.register.clock])
    if len(clocks) > 1:
        raise AsicError(f"{top}: {len(clocks)} clocks; only designs with one clock are measured")
    return next(iter(clocks), None)


def _ordered(logic: list[Instance], known: set[int], top: str) -> list[Instance]:
    """Each cell behind those that drive it."""
    waiting: dict[int, list[int]] = {}
    missing = []
    for index, instance in enumerate(logic):
        nets = {net for _, net in instance.inputs()} - known
        missing.append(len(nets))
        for net in nets:
            waiting.setdefault(net, []).append(index)
    ready = [index for index, count in enumerate(missing) if not count]
    order = []
    while ready:
        index = ready.pop()
        order.append(logic[index])
        for _, net in logic[index].outputs():
            for reader in waiting.pop(net, ()):
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(reader)
    if len(order) < len(logic):
        raise AsicError(f"{top}: {len(logic) - len(order)} cells wait for each other or for nets that nothing drives; "
                        "logic must have no loops")
    return order
