import copy
import json

import numpy as np
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.cosim.cells import with_models
from nomul.cosim.netlist import netlist_library
from nomul.cosim.verilated import VerilatedModel, build
from nomul.gen.synth.output_registers import use_output_registers
from nomul.gen.synth.synthesize import synthesize
from nomul.gen.synth.tools import run_tool
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FabricPlatform, fabric_of


class Memories(wiring.Component):
    """A memory of each kind whose data an ECP5 registers: one with a single port, one whose lanes are written each."""

    def __init__(self):
        super().__init__({"write": In(1), "to": In(11), "data": In(36), "start": In(11), "enable": In(2),
                          "large": Out(36), "lanes": Out(18)})

    def elaborate(self, platform):
        m, fabric = Module(), fabric_of(platform)
        m.d.comb += [
            self.large.eq(fabric.large_memory(m, "large_ram", 2048, self.to, self.data, self.write, self.start)),
            self.lanes.eq(fabric.lane_memory(m, "lane_ram", 2, 2048, self.to, self.data[:18],
                                             self.enable & Cat(self.write, self.write), self.start)),
        ]
        return m


@pytest.mark.cosim
def test_a_netlist_does_the_same_with_output_registers(tmp_path):
    synthesis = synthesize(emit_verilog(Memories(), "memories", FabricPlatform("ecp5")), "memories", "ecp5")
    design = json.loads(synthesis.json.read_text())
    module = design["modules"]["memories"]
    before = sum(cell["type"] == "TRELLIS_FF" for cell in module["cells"].values())
    assert use_output_registers(module) == 36 + 18
    assert sum(cell["type"] == "TRELLIS_FF" for cell in module["cells"].values()) == before - 36 - 18
    rams = [cell["parameters"] for cell in module["cells"].values() if cell["type"] == "DP16KD"]
    assert len(rams) == synthesis.cells["DP16KD"]
    assert all("OUTREG" in (ram["REGMODE_A"], ram["REGMODE_B"]) for ram in rams)
    (tmp_path / "after.json").write_text(json.dumps(design))
    run_tool("yosys", ["-q", "-p", "read_json after.json; write_verilog -noattr after.v"], tmp_path, ["after.v"],
             log="yosys.log")

    rng, cycles = np.random.default_rng(5), 3000
    inputs = {"write": rng.random(cycles) < 0.3, "to": rng.choice([0, 7, 1023, 1024, 2047], cycles),
              "start": rng.choice([0, 7, 1023, 1024, 2047], cycles), "enable": rng.integers(0, 4, cycles),
              "data": rng.integers(0, 1 << 36, cycles)}
    inputs = {name: np.asarray(column, np.uint64) for name, column in inputs.items()}
    # A word that is read where it is written may be anything: read others.
    inputs["start"] = np.where(inputs["start"] == inputs["to"], 1, inputs["start"]).astype(np.uint64)
    after = build(with_models((tmp_path / "after.v").read_text(), "ecp5"), "memories", optimize=1)
    models = [VerilatedModel(library) for library in (netlist_library(synthesis, "memories"), after)]
    first, second = (model.run(inputs, ["large", "lanes"]) for model in models)
    for name in ("large", "lanes"):
        assert np.unique(first[name]).size > 100
        assert np.array_equal(first[name], second[name])


def netlist():
    """A block RAM with two data bits in use, each with a flip-flop."""
    def register(data, q):
        return {"type": "TRELLIS_FF",
                "parameters": {"CEMUX": "1 ", "CLKMUX": "CLK", "GSR": "ENABLED", "LSRMUX": "LSR", "REGSET": "RESET"},
                "port_directions": {"CLK": "input", "DI": "input", "LSR": "input", "Q": "output"},
                "connections": {"CLK": [2], "DI": [data], "LSR": ["0"], "Q": [q]}}

    ram = {"type": "DP16KD", "parameters": {"DATA_WIDTH_A": f"{9:032b}", "DATA_WIDTH_B": f"{9:032b}",
                                            "CLKAMUX": "CLKA", "CLKBMUX": "CLKB",
                                            "REGMODE_A": "NOREG", "REGMODE_B": "NOREG"},
           "port_directions": {"CLKA": "input", "CEA": "input", "RSTA": "input", "CLKB": "input", "CEB": "input",
                               "RSTB": "input", "DOA0": "output", "DOA1": "output", "DOA2": "output"},
           "connections": {"CLKA": [2], "CEA": ["1"], "RSTA": ["0"], "CLKB": [2], "CEB": ["1"], "RSTB": ["0"],
                           "DOA0": [10], "DOA1": [11], "DOA2": [12]}}
    return {"ports": {"clk": {"direction": "input", "bits": [2]}, "o": {"direction": "output", "bits": [20, 21]}},
            "cells": {"ram": ram, "first": register(10, 20), "second": register(11, 21)}}


def test_flip_flops_of_all_bits_move_into_the_block_ram():
    module = netlist()
    assert use_output_registers(module) == 2
    assert list(module["cells"]) == ["ram"]
    ram = module["cells"]["ram"]
    assert ram["parameters"]["REGMODE_A"] == "OUTREG"
    assert ram["parameters"]["REGMODE_B"] == "NOREG"        # none of its bits is in use
    assert ram["connections"]["OCEA"] == ["1"]
    assert [ram["connections"][f"DOA{n}"] for n in range(3)] == [[20], [21], [12]]


def change(cell, part, **values):
    return lambda module: module["cells"][cell][part].update(values)


@pytest.mark.parametrize("hinder", [
    pytest.param(change("first", "parameters", CEMUX="CE"), id="a flip-flop with an enable"),
    pytest.param(change("first", "parameters", REGSET="SET"), id="one that starts with 1"),
    pytest.param(change("first", "parameters", CLKMUX="INV"), id="one at the other edge"),
    pytest.param(change("first", "connections", LSR=[30]), id="one with a reset"),
    pytest.param(change("first", "connections", CLK=[3]), id="one with another clock"),
    pytest.param(change("first", "connections", LSR=[10]), id="a bit that goes to another pin, too"),
    pytest.param(lambda module: module["ports"].update(p={"direction": "output", "bits": [10]}), id="one that leaves"),
    pytest.param(lambda module: module["cells"].update(other=copy.deepcopy(module["cells"]["first"])), id="two of one"),
    pytest.param(change("ram", "connections", CEA=[30]), id="a block RAM with an enable"),
    pytest.param(change("ram", "connections", RSTA=[30]), id="one with a reset of its own"),
    pytest.param(change("ram", "parameters", DATA_WIDTH_B=f"{36:032b}"), id="one whose data pins are another port's"),
    pytest.param(change("ram", "parameters", CLKAMUX="INV"), id="one with an inverted clock")])
def test_a_flip_flop_that_does_something_else_stays(hinder):
    module = netlist()
    hinder(module)
    unchanged = copy.deepcopy(module)
    assert use_output_registers(module) == 0
    assert module == unchanged
