"""Boards whose bitstream Vivado makes: what there is for it, checked without it."""

# amaranth: UnusedElaboratable=no
import json
import re
import xml.etree.ElementTree as ET

import pytest
from amaranth.back import rtlil
from amaranth_boards.arty_a7 import ArtyA7_35Platform

from nomul.boards import BoardError, find_board
from nomul.boards.arty import ArtyTop
from nomul.gen.cli import main
from nomul.gen.emit import generate
from nomul.gen.guard import multiply_cells
from nomul.gen.spec.axi import axi_address
from nomul.gen.synth.synthesize import synthesize
from nomul.hdl.axi.host import AxiHost

from .hardware import small_config

SPIRIT = {"s": "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"}


@pytest.fixture(scope="module")
def arty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arty")
    generate(small_config(name="soc"), folder, find_board("arty-a7-35"))
    return folder


@pytest.fixture(scope="module")
def pynq(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pynq")
    generate(small_config(name="soc"), folder, find_board("pynq-z2"))
    return folder


def verilog_ports(path, top):
    """The ports that the Verilog of a module declares: direction and width by name."""
    text = path.read_text()
    module = text[text.index(f"\nmodule {top}("):]
    return {name: (direction, int(high or 0) + 1) for direction, high, name in re.findall(
        r"^  (input|output) (?:\[(\d+):0\] )?(\w+) ?;", module[:module.index("endmodule")], re.M)}


def test_pins_of_the_arty_are_those_of_the_board(arty):
    manifest = json.loads((arty / "manifest.json").read_text())
    pins = {port["name"]: port["pins"] for port in manifest["ports"]}
    known = {resource.name: resource for resource in ArtyA7_35Platform.resources if resource.number == 0}
    uart = {part.name: part.ios[0].names for part in known["uart"].ios}
    assert pins == {"clk100": known["clk100"].ios[0].names, "reset_n": known["rst"].ios[0].names,
                    "uart_rx": uart["rx"], "uart_tx": uart["tx"]}
    assert {name: way for name, (way, _) in verilog_ports(arty / "soc.v", "soc").items()} == {
        port["name"]: port["direction"] for port in manifest["ports"]}
    constraints = (arty / "soc.xdc").read_text()
    for name, (pin,) in pins.items():
        assert f"PACKAGE_PIN {pin} IOSTANDARD LVCMOS33}} [get_ports {name}]" in constraints
    assert "create_clock -name clk100 -period 10.000 [get_ports clk100]" in constraints
    assert f"-part {find_board('arty-a7-35').part} " in (arty / "soc.tcl").read_text()
    assert (ArtyA7_35Platform.device + ArtyA7_35Platform.package + "-" + ArtyA7_35Platform.speed
            == find_board("arty-a7-35").part)


def test_clock_of_the_arty_is_what_the_pll_makes(arty):
    text, board = (arty / "soc.v").read_text(), find_board("arty-a7-35")
    multiply, divide = (int(re.search(rf"\.{name}\(32'd(\d+)\)", text)[1])
                        for name in ("CLKFBOUT_MULT", "CLKOUT0_DIVIDE"))
    assert 800 <= 100 * multiply <= 1600                # AMD DS181: what the PLL's oscillator can do
    assert board.clock_hz == 100_000_000 * multiply // divide
    assert board.clock_hz / board.divisor == pytest.approx(board.baud, rel=0.02)    # what a UART bears


@pytest.mark.parametrize("name", ["arty", "pynq"])
def test_designs_have_no_multiplier_no_path_and_are_the_same_each_time(name, tmp_path, request):
    folder = request.getfixturevalue(name)
    generate(small_config(name="soc"), tmp_path, find_board({"arty": "arty-a7-35", "pynq": "pynq-z2"}[name]))
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
        assert ".py" not in path.read_text()
    assert "CARRY4" in (folder / "soc.v").read_text()
    assert multiply_cells(ArtyTop(small_config(), 16)) == []


def test_component_xml_maps_every_port_of_the_verilog_once(pynq):
    root = ET.parse(pynq / "component.xml").getroot()
    ports = verilog_ports(pynq / "soc.v", "soc")
    declared = {}
    for port in root.findall("s:model/s:ports/s:port", SPIRIT):
        left = port.find("s:wire/s:vector/s:left", SPIRIT)
        way = {"in": "input", "out": "output"}[port.find("s:wire/s:direction", SPIRIT).text]
        declared[port.find("s:name", SPIRIT).text] = (way, int(left.text) + 1 if left is not None else 1)
    assert declared == ports

    mapped, buses = [], {}
    for bus in root.findall("s:busInterfaces/s:busInterface", SPIRIT):
        name, kind = bus.find("s:name", SPIRIT).text, bus.find("s:busType", SPIRIT).get(f"{{{SPIRIT['s']}}}name")
        buses[name] = kind, "master" if bus.find("s:master", SPIRIT) is not None else "slave"
        for pair in bus.findall("s:portMaps/s:portMap", SPIRIT):
            logical, physical = (pair.find(f"s:{part}Port/s:name", SPIRIT).text for part in ("logical", "physical"))
            mapped.append(physical)
            assert physical == {"CLK": "aclk", "RST": "aresetn"}.get(logical, f"{name}_{logical.lower()}")
    assert sorted(mapped) == sorted(ports)
    assert buses == {"s_axi": ("aximm", "slave"), "s_axis_data": ("axis", "slave"), "s_axis_weights": ("axis", "slave"),
                     "m_axis_results": ("axis", "master"), "aclk": ("clock", "slave"), "aresetn": ("reset", "slave")}

    values = {parameter.find("s:name", SPIRIT).text: parameter.find("s:value", SPIRIT).text
              for parameter in root.findall("s:busInterfaces/s:busInterface/s:parameters/s:parameter", SPIRIT)}
    assert values == {"POLARITY": "ACTIVE_LOW", "ASSOCIATED_RESET": "aresetn",
                      "ASSOCIATED_BUSIF": "s_axi:s_axis_data:s_axis_weights:m_axis_results"}
    sets = {entry.find("s:name", SPIRIT).text: [file.text for file in entry.findall("s:file/s:name", SPIRIT)]
            for entry in root.findall("s:fileSets/s:fileSet", SPIRIT)}
    for view in root.findall("s:model/s:views/s:view", SPIRIT):
        assert view.find("s:modelName", SPIRIT).text == "soc"
        files = sets[view.find("s:fileSetRef/s:localName", SPIRIT).text]
        assert files
        assert all((pynq / file).is_file() for file in files)
    offsets = {register.find("s:name", SPIRIT).text: int(register.find("s:addressOffset", SPIRIT).text, 16)
               for register in root.findall("s:memoryMaps/s:memoryMap/s:addressBlock/s:register", SPIRIT)}
    assert offsets == {name: axi_address(name) for name in offsets}
    assert {"MAGIC", "HALT", "CHECKSUM"} <= set(offsets)


def test_block_design_names_what_the_ip_has_and_connects_everything(pynq):
    script, root = (pynq / "soc.tcl").read_text(), ET.parse(pynq / "component.xml").getroot()
    name = ":".join(root.find(f"s:{part}", SPIRIT).text for part in ("vendor", "library", "name", "version"))
    assert f"create_bd_cell -type ip -vlnv {name} nomul\n" in script
    buses = {bus.find("s:name", SPIRIT).text for bus in root.findall("s:busInterfaces/s:busInterface", SPIRIT)}
    assert sorted(re.findall(r"get_bd(?:_intf)?_pins nomul/(\w+)", script)) == sorted(buses)
    cells = set(re.findall(r"create_bd_cell -type ip -vlnv \S+ (\w+)", script))
    assert cells == {"ps", "reset", "nomul", "dma_data", "dma_weights", "control", "memory"}
    assert set(re.findall(r"get_bd(?:_intf)?_pins (\w+)/", script)) == cells
    assert script.count("{") == script.count("}")
    assert script.count("[") == script.count("]")
    header, page = (pynq / "axi.h").read_text(), (pynq / "axi_registers.md").read_text()
    assert f"#define NOMUL_AXI_HALT {axi_address('HALT'):#05x}\n" in header
    assert f"| {axi_address('HALT'):#05x} | HALT | read and write |" in page


def test_coded_weights_are_refused_where_a_dma_brings_them(tmp_path):
    with pytest.raises(BoardError, match="has weight_decoder, which board pynq-z2 does without: .* leave weight_"):
        generate(small_config(weight_decoder=True), tmp_path / "new", find_board("pynq-z2"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["arty-a7-35", "pynq-z2"])
def test_build_says_who_makes_the_bitstream_and_how(name, capsys, tmp_path):
    assert main(["build", "--board", name, "--config", "tiny", "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert (f"Vivado makes the bitstream of board {name}: run `nomul generate --config tiny --board {name} -o "
            f"{tmp_path / 'out'}`, and in that folder `vivado -mode batch -source tiny.tcl`") in error
    assert not (tmp_path / "out").exists()


def test_program_says_that_the_driver_loads_the_zynq(capsys):
    assert main(["program", "--board", "pynq-z2"]) == 2
    assert "nomul does not load pynq-z2 itself: the driver does, on the board: --port pynq:FILE.bit" \
        in capsys.readouterr().err


def test_all_between_axi_and_the_core_is_synthesized_for_xilinx_without_a_multiplier():
    """What the array becomes is in tests of its fabric; `bench/xilinx.py` takes whole boards."""
    design = rtlil.convert(AxiHost(small_config(weight_stream=True), 8), name="soc", emit_src=False)
    resources = synthesize(design, "soc", "xilinx", rtlil=True).resources
    assert (resources.dsps, resources.memories) == (0, 0)
    assert 500 < resources.luts < 2000
    assert resources.carries > 0
