# amaranth: UnusedElaboratable=no
import re

import pytest

from nomul.gen.guard import multiply_cells
from nomul.gen.spec.axi import AXI_ADDRESS_BITS, AXI_BASE, AXI_REGISTERS, STREAM_BYTES, WORD_BASE, axi_address
from nomul.gen.spec.registers import REGISTERS, Region, address_of, word_bytes
from nomul.gen.verilog import emit_verilog
from nomul.hdl.axi.accelerator import AxiTop

from .hardware import small_config

# Arm IHI 0022 and IHI 0051, as a subordinate and a transmitter have them; data of 8 bytes.
LITE = {"awaddr": ("input", 12), "awprot": ("input", 3), "awvalid": ("input", 1), "awready": ("output", 1),
        "wdata": ("input", 32), "wstrb": ("input", 4), "wvalid": ("input", 1), "wready": ("output", 1),
        "bresp": ("output", 2), "bvalid": ("output", 1), "bready": ("input", 1),
        "araddr": ("input", 12), "arprot": ("input", 3), "arvalid": ("input", 1), "arready": ("output", 1),
        "rdata": ("output", 32), "rresp": ("output", 2), "rvalid": ("output", 1), "rready": ("input", 1)}
STREAM = {"tdata": ("input", 64), "tkeep": ("input", 8), "tlast": ("input", 1), "tvalid": ("input", 1),
          "tready": ("output", 1)}
TURNED = {"input": "output", "output": "input"}


def test_ports_have_the_names_that_tools_know():
    text = emit_verilog(AxiTop(small_config(), 8), "peripheral")
    module = text[text.index("\nmodule peripheral("):]
    module = module[:module.index("endmodule")]
    found = {name: (direction, int(high or 0) + 1) for direction, high, name in re.findall(
        r"^  (input|output) (?:\[(\d+):0\] )?(\w+) ?;", module, re.M)}
    expected = {"aclk": ("input", 1), "aresetn": ("input", 1)}
    expected |= {f"s_axi_{name}": port for name, port in LITE.items()}
    expected |= {f"s_axis_{stream}_{name}": port for stream in ("data", "weights") for name, port in STREAM.items()}
    expected |= {f"m_axis_results_{name}": (TURNED[way], bits) for name, (way, bits) in STREAM.items()}
    assert found == expected


@pytest.mark.parametrize("width", STREAM_BYTES)
def test_there_is_no_multiplier(width):
    assert multiply_cells(AxiTop(small_config(weight_stream=True, depthwise_l1=True), width)) == []


def test_other_widths_are_refused():
    with pytest.raises(ValueError, match="beat of the streams must be one of 4, 8, 16 bytes, not 12"):
        AxiTop(small_config(), 12)


def test_addresses_of_registers_by_hand():
    assert (axi_address("MAGIC"), axi_address("STATUS"), axi_address("STREAM_BYTES"), axi_address("HALT")) \
        == (0, 16, 0x400, 0x404)
    assert axi_address("RUN") == 4 * address_of("RUN")
    largest = small_config(lanes=64, columns=64, operators=("l1", "sign"), unified=True, frame_bytes=128)
    longest = max(word_bytes(region, largest) for region in Region)
    assert 4 * len(REGISTERS) <= AXI_BASE
    assert AXI_BASE + 4 * len(AXI_REGISTERS) <= WORD_BASE
    assert WORD_BASE + longest <= 1 << AXI_ADDRESS_BITS
    with pytest.raises(KeyError, match="NOTHING"):
        axi_address("NOTHING")
