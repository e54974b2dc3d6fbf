import json
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nomul.boards import BoardError, find_board, find_chip, find_target
from nomul.boards.chip import ChipTop
from nomul.boards.ihp_sg13g2 import ChipPlatform
from nomul.boards.sg13g2_sram import instances
from nomul.cosim.cells.sg13g2_sram import sram_models
from nomul.cosim.spi import SpiBus
from nomul.cosim.verilated import VerilatedModel, build
from nomul.gen.emit import generate
from nomul.gen.guard import multiply_cells
from nomul.gen.presets import load_config
from nomul.gen.verilog import emit_verilog, with_initial_values
from nomul.sw import golden
from nomul.sw.compile import compile_network
from nomul.sw.convert import convert
from nomul.sw.driver.board import Board
from nomul.sw.layers import L1Conv2d, ShiftLinear
from nomul.sw.quantize import QuantizationConfig, quantize_

from .hardware import small_config

CONFIG = load_config("chip")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Generated without a single tool on PATH."""
    folder = tmp_path_factory.mktemp("chip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.devnull)
        generate(CONFIG, folder, find_chip("ihp-sg13g2"))
    return folder


def test_files_are_complete_and_have_no_paths(folder):
    assert {path.name for path in folder.iterdir()} == {
        "chip.v", "chip.sdc", "chip.ys", "chip.sta.tcl", "abc.sdc", "ripple.v", "wires.lib", "librelane.json",
        "config.toml", "registers.md", "registers.h", "manifest.json"}
    assert ".py" not in (folder / "chip.v").read_text()


def test_ports_are_clock_reset_and_bus(folder):
    ports = json.loads((folder / "manifest.json").read_text())["ports"]
    assert [(port["name"], port["direction"], port["bits"]) for port in ports] == [
        ("clk", "input", 1), ("rst_n", "input", 1), ("spi_sck", "input", 1), ("spi_cs_n", "input", 1),
        ("spi_mosi", "input", 1), ("spi_miso", "output", 1)]
    header = re.search(r"^module chip\(([^)]*)\);", (folder / "chip.v").read_text(), re.MULTILINE)
    assert set(header[1].split(", ")) == {port["name"] for port in ports}


def test_only_tables_have_an_initial_value(folder):
    text = (folder / "chip.v").read_text()
    for module in text.split("\nmodule "):
        for memory in re.findall(r"initial begin\n +(\S+ ?)\[", module):
            assert not re.search(re.escape(memory) + r"\[.*<=", module)
    # What is left of registers is without a width: Yosys's own, for simulators.
    assert all(re.fullmatch(r"  reg \\\$auto\$verilog_backend\S+  = 0;", line)
               for line in re.findall(r"^ *reg .*=.*$", text, re.MULTILINE))


def test_constraints_name_every_port(folder):
    text = (folder / "chip.sdc").read_text()
    assert "create_clock -name clk -period 20 [get_ports clk]" in text
    assert "set_false_path -from [get_ports rst_n]" in text
    for command, ports in (("set_input_delay 6 -clock clk", "spi_sck spi_cs_n spi_mosi"),
                           ("set_output_delay 6 -clock clk", "spi_miso"), ("set_load 0.03", "spi_miso")):
        assert f"{command} [get_ports {{{ports}}}]" in text


def test_librelane_knows_every_variable_and_finds_every_file(folder):
    known = set((Path(__file__).parent / "librelane_variables.txt").read_text().split())
    values = json.loads((folder / "librelane.json").read_text())
    assert values.pop("meta") == {"version": 3, "flow": "Classic"}
    assert set(values) <= known
    files = re.findall(r'"dir::([^"]*)"', (folder / "librelane.json").read_text())
    assert set(files) == {"chip.v", "chip.sdc"}
    assert all((folder / name).is_file() for name in files)
    assert (values["DESIGN_NAME"], values["CLOCK_PORT"], values["CLOCK_PERIOD"]) == ("chip", "clk", 20)


def test_there_is_no_multiplier():
    assert multiply_cells(ChipTop(CONFIG)) == []


def test_large_memories_are_refused():
    with pytest.raises(BoardError, match=r"'test' has \d+ bits of memory that would be \d+\.\d mm² of flip-flops on "
                                         r"ihp-sg13g2, where 4 mm² are allowed; the largest has 8192 words of 32 bits"):
        find_chip("ihp-sg13g2").emit(small_config(weight_words=8192), "test")


def test_unknown_process_and_a_process_that_is_no_board():
    with pytest.raises(BoardError, match="unknown process 'sky130'; known are ihp-sg13g2, ihp-sg13g2-sram"):
        find_chip("sky130")
    with pytest.raises(BoardError, match="ihp-sg13g2 is no board but a process for chips: `nomul generate"):
        find_board("ihp-sg13g2")
    assert find_target("ihp-sg13g2") is find_chip("ihp-sg13g2")
    assert find_target("ulx3s-85f") is find_board("ulx3s-85f")
    with pytest.raises(BoardError, match="unknown board 'nope'; known are ulx3s-85f, .*ihp-sg13g2, ihp-sg13g2-sram"):
        find_target("nope")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    model = nn.Sequential(L1Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                          ShiftLinear(16, 3), nn.BatchNorm1d(3))
    images = torch.rand(32, 1, 6, 6)
    with torch.no_grad():
        model.train()(images)
    return convert(quantize_(model, images, QuantizationConfig()), "bars")


@pytest.mark.cosim
@pytest.mark.parametrize(("preset", "macros"), [("chip", False), ("tiny", True)])
def test_a_network_runs_on_a_chip_that_wakes_up_with_anything_in_it_and_again_after_a_reset(network, preset, macros):
    config = load_config(preset)
    verilog = emit_verilog(ChipTop(config), "chip", ChipPlatform(macros=macros))
    verilog = with_initial_values(verilog, random.Random(1).getrandbits)
    model = VerilatedModel(build(verilog + sram_models(instances(verilog, "chip").values()), "chip"))
    bus = SpiBus(model)
    codes = np.random.default_rng(0).integers(0, 256, (3, 1, 6, 6), dtype=np.uint8)
    for _ in range(2):      # the second reset finds the memories as the first run left them
        model.set("rst_n", 0)
        model.tick(4)
        model.set("rst_n", 1)
        model.tick(4)
        with Board(bus.link()) as board:
            assert board.info().network_hash is None
            board.push(compile_network(network, config))
            result = board.run(codes)
        np.testing.assert_array_equal(result.logits, golden.run(network, codes))
