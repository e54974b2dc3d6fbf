import pytest

from nomul.cosim.pyverilator import PyVerilator
from nomul.cosim.toolchain import ToolchainError

pytestmark = pytest.mark.cosim
COUNTER = """
module counter(input clk, input rst, input en, output reg [7:0] out, output [7:0] next);
  assign next = out + 1;
  always @(posedge clk) if (rst) out <= 0; else if (en) out <= next;
endmodule
"""


@pytest.fixture
def sim(tmp_path):
    path = tmp_path / "counter.v"
    path.write_text(COUNTER)
    return PyVerilator.build(path)


def test_counts_by_attribute(sim):
    sim.io.rst = 1
    sim.clock.tick()
    sim.io.rst = 0
    sim.io.en = 1
    for _ in range(3):
        sim.clock.tick()
    assert (sim.io.out, sim.io.next) == (3, 4)
    sim.io.en = 0
    sim.clock.tick()
    assert sim.io.out == 3


def test_counts_by_item(sim):
    sim.io["en"] = 1
    sim.clock.tick()
    assert sim.io["out"] == sim["out"] == 1
    assert set(sim.io) == {"clk", "rst", "en", "out", "next"}
    assert len(sim.io) == 5


def test_text_needs_a_top_and_gives_the_same_design():
    with pytest.raises(ToolchainError, match="top="):
        PyVerilator.build(COUNTER)
    sim = PyVerilator.build(COUNTER, top="counter")
    sim["en"] = 1
    sim.clock.tick()
    assert sim.io.out == 1


def test_outputs_wait_for_eval_without_auto_eval():
    sim = PyVerilator.build("module a(input [3:0] x, output [3:0] y);\n assign y = ~x;\nendmodule\n", top="a")
    sim.io.x = 5
    assert sim.io.y == 10
    sim.auto_eval = False
    sim.io.x = 0
    assert sim.io.y == 10
    sim.eval()
    assert sim.io.y == 15


def test_missing_file_and_missing_port_are_named(sim, tmp_path):
    with pytest.raises(ToolchainError, match=r"nothing\.v.*No such file"):
        PyVerilator.build(tmp_path / "nothing.v")
    with pytest.raises(AttributeError, match="no port 'count'; it has .*out"):
        print(sim.io.count)
