import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.cosim.netlist import netlist_library
from nomul.cosim.verilated import VerilatedModel
from nomul.gen.spec.latency import LATE
from nomul.gen.synth.synthesize import synthesize
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FabricPlatform, fabric_of

pytestmark = pytest.mark.cosim


class Large(wiring.Component):
    """A large memory by itself."""

    def __init__(self, width, depth):
        self._depth = depth
        super().__init__({"write": In(1), "to": In(range(depth)), "data": In(width), "start": In(range(depth)),
                          "out": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.out.eq(fabric_of(platform).large_memory(
            m, "large", self._depth, self.to, self.data, self.write, self.start))
        return m


# iCE40: 20 bits are two RAMs side by side, 20,000 words two rows. ECP5: 16,384 × 1, 2048 × 9 and 1024 × 18 bits.
@pytest.mark.parametrize(("fabric", "width", "depth", "cell", "rams"), [
    ("ice40up", 20, 20000, "SB_SPRAM256KA", 4), ("ice40up", 16, 16384, "SB_SPRAM256KA", 1),
    ("ice40up", 12, 300, "SB_SPRAM256KA", 1), ("generic", 20, 300, "SB_SPRAM256KA", 0),
    ("ecp5", 4, 17408, "DP16KD", 4 + 1), ("ecp5", 16, 3000, "DP16KD", 2 + 1), ("ecp5", 20, 600, "DP16KD", 2),
    ("ecp5", 8, 8192, "DP16KD", 4)])
def test_large_memory_keeps_words(fabric, width, depth, cell, rams):
    target = "ecp5" if fabric == "ecp5" else "ice40"
    synthesis = synthesize(emit_verilog(Large(width, depth), "large", FabricPlatform(fabric)), "large", target)
    assert synthesis.cells.get(cell, 0) == rams
    chance, content, asked = random.Random(depth), {}, [None] * (1 + LATE if fabric == "ecp5" else 1)
    places = [0, depth - 1, min(depth - 1, 16383), min(depth - 1, 16384), *chance.sample(range(depth), 5)]
    inputs = {"write": [], "to": [], "data": [], "start": []}
    expected = []       # a word, or None where anything may come
    write = False
    for _ in range(3000):
        expected.append(asked[0])
        before, write = write, chance.random() < 0.3
        to, start = chance.choice(places), chance.choice(places)
        data = chance.getrandbits(width)
        for key, value in zip(inputs, (write, to, data, start), strict=True):
            inputs[key].append(value)
        asked = [*asked[1:], None if write or (before and fabric == "ecp5") else content.get(start)]
        if write:
            content[to] = data
    model = VerilatedModel(netlist_library(synthesis, "large"))
    out = model.run({key: np.array(column, np.uint32) for key, column in inputs.items()}, ["out"])["out"]
    known = [n for n, value in enumerate(expected) if value is not None]
    assert len(known) > 1000
    assert [int(out[n]) for n in known] == [expected[n] for n in known]


def test_wide_memory_uses_the_ninth_bits_of_block_rams():
    """9216 words of 256 bits are 128 + 15 blocks in shapes without them, and 4 · 29 + 15 with them."""
    verilog = emit_verilog(Large(256, 9216), "large", FabricPlatform("ecp5"))
    assert synthesize(verilog, "large", "ecp5").cells["DP16KD"] == 131


def test_a_device_with_large_rams_is_known():
    class Platform:
        device = "iCE40UP5K"

    assert fabric_of(Platform()).name == "ice40up"
