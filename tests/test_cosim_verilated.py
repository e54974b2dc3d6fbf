import random
import threading

import numpy as np
import pytest
from amaranth.sim import Simulator

from nomul.cosim.toolchain import ToolchainError
from nomul.cosim.verilated import VerilatedModel, build
from nomul.gen.verilog import emit_verilog

from .simulated import Increment, Mixer

pytestmark = pytest.mark.cosim
INPUTS = {"a": 5, "b": 33, "wide": 100, "enable": 1, "rst": 1}
OUTPUTS = ["total", "mixed", "through"]


@pytest.fixture(scope="module")
def mixer():
    return build(emit_verilog(Mixer(), "mixer"), "mixer")


@pytest.fixture(scope="module")
def increment():
    return build(emit_verilog(Increment(), "increment"), "increment")


def _stimulus(cycles, seed):
    """Random values with the corners more often than by chance; reset now and then."""
    dice = random.Random(seed)

    def value(bits):
        return dice.choice([0, (1 << bits) - 1, 1 << bits - 1, dice.getrandbits(bits), dice.getrandbits(bits)])
    rows = [{name: value(bits) for name, bits in INPUTS.items()} for _ in range(cycles)]
    for row in rows:
        row["rst"] = int(dice.random() < 0.05)
    return rows


def _amaranth(rows):
    dut, seen = Mixer(), []

    async def bench(ctx):
        for row in rows:
            for name in ("a", "b", "wide", "enable"):
                ctx.set(getattr(dut, name), row[name])
            seen.append({name: ctx.get(getattr(dut, name).as_unsigned()) for name in OUTPUTS})
            await ctx.tick()
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def test_single_steps_equal_the_amaranth_simulator_bit_for_bit(mixer):
    rows = [row | {"rst": 0} for row in _stimulus(200, seed=1)]
    model, seen = VerilatedModel(mixer), []
    for row in rows:
        for name, value in row.items():
            model.set(name, value)
        model.eval()
        seen.append({name: model.get(name) for name in OUTPUTS})
        model.tick()
    assert seen == _amaranth(rows)
    assert model.cycles == 200


def test_batch_equals_single_steps(mixer):
    rows = _stimulus(300, seed=2)
    single, expected = VerilatedModel(mixer), []
    for row in rows:
        for name, value in row.items():
            single.set(name, value)
        single.eval()
        expected.append([single.get(name) for name in OUTPUTS])
        single.tick()
    inputs = {name: np.array([row[name] for row in rows], np.uint64) for name in INPUTS if name != "wide"}
    inputs["wide"] = np.array([[row["wide"] >> 32 * word & 0xFFFFFFFF for word in range(4)] for row in rows])
    outputs = VerilatedModel(mixer).run(inputs, OUTPUTS)
    assert outputs["mixed"].shape == (300, 4)
    mixed = [sum(int(word) << 32 * n for n, word in enumerate(words)) for words in outputs["mixed"]]
    assert [list(map(int, row)) for row in zip(outputs["total"], mixed, outputs["through"], strict=True)] == expected


def test_first_clock_edge_counts(mixer):
    model = VerilatedModel(mixer)
    model.set("enable", 1)
    model.set("b", 7)
    model.tick()
    assert model.get("total") == 7


def test_excess_and_negative_bits_are_cut_off(mixer):
    model = VerilatedModel(mixer)
    model.set("a", -1)
    model.set("wide", -1)
    model.set("b", 1 << 40 | 5)
    assert (model.get("a"), model.get("wide"), model.get("b")) == (31, (1 << 100) - 1, 5)


def test_instances_share_no_state(mixer):
    first, second = VerilatedModel(mixer), VerilatedModel(mixer)
    first.set("enable", 1)
    first.set("b", 9)
    first.tick(3)
    assert (first.get("total"), second.get("total"), second.cycles) == (27, 0, 0)


def test_unknown_port_and_setting_an_output_name_the_ports(mixer):
    model = VerilatedModel(mixer)
    with pytest.raises(KeyError, match="no port 'x'; it has .*total"):
        model.get("x")
    with pytest.raises(KeyError, match="no input 'total'; it has .*wide"):
        model.set("total", 1)


def test_batch_of_wrong_shape_is_refused(mixer):
    model = VerilatedModel(mixer)
    with pytest.raises(ValueError, match=r"'wide' must be an array of shape \(cycles, 4\)"):
        model.run({"wide": np.zeros((5, 3))}, ["mixed"])
    with pytest.raises(ValueError, match="equally long"):
        model.run({"a": np.zeros(5), "b": np.zeros(4)}, ["total"])


def test_byte_batch_moves_every_byte_and_ends_after_silence(increment):
    model = VerilatedModel(increment)
    data = bytes(range(256))
    moved = model.run_bytes(data, quiet=20)
    assert moved.accepted == 256
    assert moved.output == bytes((byte + 1) & 255 for byte in data)
    assert moved.cycles == 256 * 5 + 20 == model.cycles


def test_byte_batch_continues_where_capacity_stopped_it(increment):
    model = VerilatedModel(increment)
    first = model.run_bytes(b"abcdef", quiet=20, capacity=2)
    second = model.run_bytes(b"abcdef"[first.accepted:], quiet=20)
    assert (first.output, second.output) == (b"bc", b"defg")


def test_byte_batch_waits_patience_before_the_first_byte_and_quiet_after(increment):
    assert VerilatedModel(increment).run_bytes(b"a", quiet=3, patience=50).output == b"b"
    assert VerilatedModel(increment).run_bytes(b"a", quiet=3).output == b""
    assert VerilatedModel(increment).run_bytes(b"", quiet=3, patience=50).cycles == 50
    assert VerilatedModel(increment).run_bytes(b"a", quiet=30, max_cycles=4).cycles == 4


def test_wrong_verilog_is_one_line_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(ToolchainError, match=r"Verilator on 'x' failed: .*syntax error") as caught:
        build("module x(input clk);\n  oops oops\nendmodule\n", "x", tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_two_builds_of_one_design_at_once_both_succeed(tmp_path):
    verilog = "module t(input clk, output reg [3:0] q);\n  always @(posedge clk) q <= q + 1;\nendmodule\n"
    libraries = []
    threads = [threading.Thread(target=lambda: libraries.append(build(verilog, "t", tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert libraries[0] == libraries[1]
    assert [path.name for path in tmp_path.iterdir()] == [libraries[0].parent.name]
    model = VerilatedModel(libraries[0])
    model.tick(5)
    assert model.get("q") == 5
