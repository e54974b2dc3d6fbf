import json

from nomul.gen.synth.family import FAMILIES
from nomul.gen.synth.utilization import count_netlist, overfull, reported, too_much

ICE40 = FAMILIES["ice40"]
#: Lines of a run of nextpnr 0.11 whose design did not fit.
LOG = """Info: Packing carries..
Info:        2 LCs used as CARRY only
Info: Device utilisation:
Info: \t         ICESTORM_LC:    5301/   5280   100%
Info: \t        ICESTORM_RAM:      30/     30   100%
ERROR: Unable to place cell 'top_SB_LUT4_O_LC', no BELs remaining to implement cell type 'ICESTORM_LC'
"""


def test_a_netlist_is_counted(tmp_path):
    cells = {"a": {"type": "SB_LUT4"}, "b": {"type": "SB_LUT4"}, "c": {"type": "SB_DFFE"}}
    (tmp_path / "x.json").write_text(json.dumps({"modules": {"x": {"cells": cells}}}))
    used = count_netlist(tmp_path / "x.json", "x", ICE40)
    assert (used["luts"], used["ffs"], used["memories"]) == (2, 1, 0)


def test_the_first_that_is_too_much_is_told():
    available = {"luts": 5, "ffs": 5, "memories": 2}
    assert too_much({"luts": 5, "ffs": 4, "memories": 2, "dsps": 9}, available) is None
    assert too_much({"luts": 5, "ffs": 7, "memories": 3}, available) == "7 flip-flops of 5, 2 too many"


def test_what_nextpnr_does_not_report_comes_from_the_netlist():
    report = {"utilization": {"ICESTORM_LC": {"used": 60, "available": 5280},
                              "ICESTORM_SPRAM": {"used": 2, "available": 4},
                              "ICESTORM_DSP": {"used": 0, "available": 8}}}
    assert reported(report, ICE40, {"luts": 50, "ffs": 40}, {"luts": 5280, "ffs": 5280, "memories": 30}) == {
        "luts": {"used": 60, "available": 5280}, "ffs": {"used": 40, "available": 5280},
        "memories": {"used": 0, "available": 30}, "sprams": {"used": 2, "available": 4},
        "dsps": {"used": 0, "available": 8}}


def test_a_log_tells_what_was_too_much():
    assert overfull(LOG, ICE40) == "5301 look-up tables of 5280, 21 too many"
    assert overfull(LOG.replace("5301", "5280"), ICE40) is None
    assert overfull(LOG.replace("ICESTORM_LC:    5301/", "SB_GB:    5301/"), ICE40) == "5301 SB_GB of 5280, 21 too many"
