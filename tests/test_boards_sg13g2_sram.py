# amaranth: UnusedElaboratable=no
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.boards import find_chip
from nomul.boards.ihp_sg13g2 import ChipPlatform
from nomul.boards.sg13g2_sram import MACROS, instances, tiling
from nomul.cosim.cells.sg13g2_sram import sram_models
from nomul.cosim.verilated import VerilatedModel, build
from nomul.gen.emit import generate
from nomul.gen.presets import load_config
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import fabric_of
from nomul.hdl.memory import plain_memory


def test_names_say_what_macros_have():
    for name, macro in MACROS.items():
        ports, words, bits = re.fullmatch(r"RM_IHPSG13_(\d)P_(\d+)x(\d+)_c\d(?:_bm_bist)?", name).groups()
        assert (macro.ports, macro.words, macro.bits) == (int(ports), int(words), int(bits))
        assert macro.masked == macro.tested == name.endswith("_bm_bist")
        assert 3 <= macro.access < 6


@pytest.mark.parametrize(("words", "bits", "ports", "masked", "expected"), [
    (2048, 64, 1, False, ("RM_IHPSG13_1P_2048x64_c2_bm_bist", 1, 1)),
    (8192, 64, 1, False, ("RM_IHPSG13_1P_8192x32_c4", 1, 2)),
    (64, 32, 2, False, ("RM_IHPSG13_2P_64x32_c2", 1, 1)),
    (64, 32, 2, True, ("RM_IHPSG13_2P_256x32_c2_bm_bist", 1, 1)),
    (1100, 20, 2, True, ("RM_IHPSG13_2P_512x32_c2_bm_bist", 3, 1))])
def test_the_smallest_tiling_is_taken(words, bits, ports, masked, expected):
    found = tiling(words, bits, ports, masked)
    assert (found.macro.name, found.rows, found.columns) == expected


class Memories(wiring.Component):
    """A memory of one port or of two, with a mask of `lanes` parts."""

    def __init__(self, depth, bits, ports, lanes=1):
        self._depth, self._bits, self._ports, self._lanes = depth, bits, ports, lanes
        super().__init__({"write": In(lanes), "to": In(range(depth)), "data": In(bits), "start": In(range(depth)),
                          "out": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        if self._ports == 1:
            word = fabric_of(platform).large_memory(m, "large", self._depth, self.to, self.data, self.write, self.start)
        else:
            m.submodules.memory = memory = plain_memory(self._bits, self._depth)
            granularity = self._bits // self._lanes if self._lanes > 1 else None
            write, read = memory.write_port(granularity=granularity), memory.read_port()
            m.d.comb += [write.addr.eq(self.to), write.data.eq(self.data), write.en.eq(self.write),
                         read.addr.eq(self.start)]
            word = Value.cast(read.data)
        m.d.comb += self.out.eq(word)
        return m


@pytest.mark.cosim
@pytest.mark.parametrize(("depth", "bits", "ports", "lanes", "macros"), [
    (300, 70, 1, 1, 5), (600, 12, 2, 1, 1), (1100, 40, 2, 5, 9), (64, 40, 2, 1, 2)])
def test_memories_of_macros_keep_words(depth, bits, ports, lanes, macros):
    verilog = emit_verilog(Memories(depth, bits, ports, lanes), "memories", ChipPlatform(macros=True))
    placed = instances(verilog, "memories")
    assert len(placed) == macros
    model = VerilatedModel(build(verilog + sram_models(placed.values()), "memories"))
    chance, content, asked = random.Random(depth), {}, None
    part = bits // lanes
    expected, inputs = [], {"write": [], "to": [], "data": [], "start": []}
    places = [0, depth - 1, min(depth - 1, 255), min(depth - 1, 256), *chance.sample(range(depth), 5)]
    for place in places:                                            # every word has been written as a whole
        content[place] = chance.getrandbits(bits)
        for key, value in zip(inputs, (2**lanes - 1, place, content[place], place), strict=True):
            inputs[key].append(value)
        expected.append(None)
    for _ in range(3000):
        expected.append(asked)
        write = chance.randrange(2**lanes) * chance.randrange(2)
        to, start, data = chance.choice(places), chance.choice(places), chance.getrandbits(bits)
        for key, value in zip(inputs, (write, to, data, start), strict=True):
            inputs[key].append(value)
        mask = sum((2**part - 1) << part * lane for lane in range(lanes) if write >> lane & 1)
        known = not write if ports == 1 else not (write and to == start)
        asked = content[start] if known else None
        content[to] = content[to] & ~mask | data & mask
    words = {"write": 1, "to": 1, "data": -(-bits // 32), "start": 1}
    columns = {key: np.array([[value >> 32 * n & 0xFFFFFFFF for n in range(words[key])] for value in values], np.uint32)
               for key, values in inputs.items()}
    out = model.run(columns, ["out"])["out"].reshape(len(expected), -1)
    given = [sum(int(word) << (32 if bits > 64 else 64) * n for n, word in enumerate(row)) for row in out]
    compared = [n for n, value in enumerate(expected) if value is not None]
    assert len(compared) > 1000
    assert [given[n] for n in compared] == [expected[n] for n in compared]


def test_small_memories_stay_flip_flops():
    platform = ChipPlatform(macros=True)
    assert instances(emit_verilog(Memories(16, 8, 2), "memories", platform), "memories") == {}
    assert platform.flip_flops == [(16, 8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chip")
    generate(load_config("tiny"), folder, find_chip("ihp-sg13g2-sram"))
    return folder


def test_every_macro_is_a_black_box_for_synthesis_and_has_a_place_power_and_files(folder):
    placed = instances((folder / "tiny.v").read_text(), "tiny")
    assert "accelerator.core.activations.ram_0_0" in placed
    boxes = re.findall(r"^module (\w+) \($", (folder / "macros.v").read_text(), re.MULTILINE)
    assert set(boxes) == set(placed.values())
    assert "read_verilog -sv macros.v" in (folder / "tiny.ys").read_text()
    values = json.loads((folder / "librelane.json").read_text())
    known = set((Path(__file__).parent / "librelane_variables.txt").read_text().split())
    assert set(values) - {"meta"} <= known
    given = {instance: name for name, entry in values["MACROS"].items() for instance in entry["instances"]}
    assert given == placed
    for name, entry in values["MACROS"].items():
        assert entry["gds"] == [f"pdk_dir::libs.ref/sg13g2_sram/gds/{name}.gds"]
        assert len(entry["lib"]) == 3
    powered = [line.split() for line in values["PDN_MACRO_CONNECTIONS"]]
    for instance in placed:
        assert sorted(line[1:] for line in powered if re.fullmatch(line[0], instance)) == [
            ["VPWR", "VGND", "VDD!", "VSS!"], ["VPWR", "VGND", "VDDARRAY!", "VSS!"]]


def test_macros_do_not_overlap(folder):
    values = json.loads((folder / "librelane.json").read_text())
    places = []
    for name, entry in values["MACROS"].items():
        for instance in entry["instances"].values():
            (x, y), macro = instance["location"], MACROS[name]
            places.append((x - 5, y - 5, x + macro.width + 5, y + macro.height + 5))
    side = max(max(place[2:]) for place in places)
    area = sum((right - left) * (top - bottom) for left, bottom, right, top in places)
    assert side**2 < 4 * area, "a compact block"
    for n, (left, bottom, right, top) in enumerate(places):
        for other in places[:n]:
            assert right <= other[0] or other[2] <= left or top <= other[1] or other[3] <= bottom
