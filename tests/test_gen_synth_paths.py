import pytest

from nomul.gen.synth.paths import slowest_path


def part(kind, delay, place):
    """A segment as nextpnr reports it."""
    return {"type": kind, "delay": delay, **({"net": place} if kind == "routing" else {}),
            "to": {"cell": place, "port": "A"}, "from": {"cell": place, "port": "Q"}}


REPORT = {
    "fmax": {"clk": {"achieved": 100.0, "constraint": 25.0}, "slow": {"achieved": 50.0, "constraint": 10.0}},
    "critical_paths": [
        {"from": "posedge clk", "to": "posedge clk", "path": [
            part("clk-to-q", 0.5, "top.accelerator.core.vector_engine.count_TRELLIS_FF_Q_3"),
            part("routing", 1.5, "top.accelerator.core.vector_engine.count[3]"),
            part("logic", 1.0, "top.accelerator.core.activations.address_LUT4_Z"),
            part("setup", 7.0, "top.accelerator.core.activations.0.0")]},
        {"from": "posedge clk", "to": "posedge clk", "path": [part("clk-to-q", 1.0, "$abc$1234")]},
        {"from": "posedge clk", "to": "<async>", "path": [part("logic", 90.0, "top.receiver.x")]},
        {"from": "posedge slow", "to": "posedge slow", "path": [part("logic", 20.0, "top.receiver.x")]}],
}


def test_slowest_path_is_that_of_the_clock_with_least_to_spare():
    path = slowest_path(REPORT)
    assert path.fmax_mhz == 100     # four times its constraint, the other five times
    assert path.modules == [("core.vector_engine", 2.0), ("core.activations", 8.0)]
    assert path.words == "core.vector_engine 2.0 ns → core.activations 8.0 ns"
    assert path.steps[0] == "0.50 ns clk-to-q top.accelerator.core.vector_engine.count_TRELLIS_FF_Q_3"
    assert path.steps[1] == "1.50 ns routing top.accelerator.core.vector_engine.count[3]"


@pytest.mark.parametrize(("name", "module"), [
    ("$abc$1", "the top module"), ("top.receiver.timer_LUT4_Z", "receiver"), ("top.x_LUT4_Z", "the top module"),
    ("top.accelerator.x_LUT4_Z", "the top module"), ("top.accelerator.link.queue.fifo.$1", "link.queue.fifo"),
    ("pll", "the top module")])
def test_modules_are_told_by_names(name, module):
    report = {"fmax": {"clk": {"achieved": 1.0, "constraint": 1.0}}, "critical_paths": [
        {"from": "posedge clk", "to": "posedge clk", "path": [part("logic", 1.0, name)]}]}
    assert slowest_path(report).modules == [(module, 1.0)]


def test_what_a_tool_added_belongs_to_the_module_before_it_and_a_wire_to_its_driver():
    wire = part("routing", 2.0, "top.accelerator.bus__run[0]")
    wire["from"]["cell"] = "top.accelerator.link.processor.bus__run_SB_DFFESR_Q_LC"
    added = part("logic", 4.0, "$nextpnr_ICESTORM_LC_50")
    report = {"fmax": {"clk": {"achieved": 1.0, "constraint": 1.0}}, "critical_paths": [
        {"from": "posedge clk", "to": "posedge clk", "path": [wire, added]}]}
    assert slowest_path(report).modules == [("link.processor", 6.0)]


def test_nothing_between_registers_is_no_path():
    assert slowest_path({"fmax": {}, "critical_paths": []}) is None
    assert slowest_path({**REPORT, "critical_paths": REPORT["critical_paths"][2:3]}) is None
