"""The files of a chip for open tools: constraints, synthesis, static timing, and the configuration of LibreLane.

The constraints say what the chip's neighbours do:

- The bus and the reset know nothing of the clock; they are synchronized inside. So nothing is asked of the reset, and
  of the bus only that its wires stay short: a third of the clock's period is theirs, on either side.
- The clock is 0.25 ns uncertain, before and after it has a tree.
- Outputs drive a pad or a pin of another block, inputs are driven by a buffer of medium strength.

Times are nanoseconds, capacitances picofarads, lengths micrometres.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nomul.boards.sg13g2_sram import MACROS

__all__ = ["abc_constraints", "librelane", "macro_variables", "sdc", "sta", "synthesis", "wires"]

#: Part of the period that inputs and outputs leave to the outside.
_OUTSIDE = 0.3
_UNCERTAINTY, _TRANSITION = 0.25, 0.15
_LOAD, _DRIVER = 0.03, "sg13g2_buf_4"
#: Share of the core's area that cells take before the clock has a tree and slow nets have buffers.
_UTILIZATION = 50

#: Of macros: free room at the edge of the core, and between them.
_MARGIN, _GAP = 40.0, 20.0
#: Corners of the standard cells, and the files of macros for them.
_CORNERS = {"typ_1p20V_25C": "typ_1p20V_25C", "slow_1p08V_125C": "slow_1p08V_125C",
            "fast_1p32V_m40C": "fast_1p32V_m55C"}


def sdc(clock_hz: int, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """Constraints: `inputs` and `outputs` but for ``clk`` and ``rst_n``."""
    period = 1e9 / clock_hz
    outside = f"{_OUTSIDE * period:g}"
    read, written = ("[get_ports {" + " ".join(names) + "}]" for names in (inputs, outputs))
    return "\n".join([
        f"create_clock -name clk -period {period:g} [get_ports clk]",
        f"set_clock_uncertainty {_UNCERTAINTY:g} [get_clocks clk]",
        f"set_clock_transition {_TRANSITION:g} [get_clocks clk]",
        "set_false_path -from [get_ports rst_n]",
        f"set_input_delay {outside} -clock clk {read}",
        f"set_output_delay {outside} -clock clk {written}",
        f"set_driving_cell -lib_cell {_DRIVER} -pin X {read}",
        f"set_driving_cell -lib_cell {_DRIVER} -pin X [get_ports rst_n]",
        f"set_load {_LOAD:g} {written}",
        "",
    ])


def synthesis(top: str, clock_hz: int, sources: Sequence[str]) -> str:
    """Yosys: from ``sources`` and the library ``cells.lib`` to ``TOP.netlist.v`` and ``TOP.json``.

    ABC maps for the clock, and gives nets that reach many cells buffers.
    """
    picoseconds = round(1e12 / clock_hz * (1 - _OUTSIDE))
    return "\n".join([
        *(f"read_verilog -sv {source}" for source in sources),
        f"synth -flatten -noabc -top {top} -extra-map ripple.v",
        "dfflibmap -liberty cells.lib",
        "opt",
        f"abc -liberty cells.lib -constr abc.sdc -D {picoseconds}",
        "splitnets",            # so that no net is another name of a part of a bus, which OpenSTA cannot read
        "opt_clean -purge",
        f"write_verilog -noattr -noexpr {top}.netlist.v",
        f"write_json {top}.json",
        "",
    ])


def abc_constraints() -> str:
    """What drives inputs and hangs on outputs, for ABC; its loads are in femtofarads."""
    return f"set_driving_cell {_DRIVER}\nset_load {1000 * _LOAD:g} [all_outputs]\n"


def sta(top: str, libraries: Sequence[str]) -> str:
    """OpenSTA: how much time is left on the slowest path of the netlist, as a line ``slack NUMBER``, and the path.

    Wires weigh 3 fF for each pin that they lead to, as in `nomul.gen.asic.timing`; a Liberty file of its own says so.
    """
    return "\n".join([
        *(f"read_liberty {library}" for library in ("cells.lib", "wires.lib", *libraries)),
        f"read_verilog {top}.netlist.v",
        f"link_design {top}",
        "set_wire_load_mode top",
        "set_wire_load_model -name pins -library wires",
        f"read_sdc {top}.sdc",
        "report_checks -path_delay max -fields {slew cap} -digits 3",
        "puts \"slack [worst_slack]\"",
        "exit",
        "",
    ])


def wires(femtofarads: float, most: int = 64) -> str:
    """The Liberty file with the wires of `sta`: so many femtofarads a pin, no resistance."""
    lengths = "\n".join(f"    fanout_length ({count}, {count});" for count in range(1, most + 1))
    return f"""\
library (wires) {{
  delay_model : table_lookup;
  time_unit : "1ns";
  voltage_unit : "1V";
  current_unit : "1uA";
  capacitive_load_unit (1, pf);
  input_threshold_pct_rise : 50;
  input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50;
  output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20;
  slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80;
  slew_upper_threshold_pct_fall : 80;
  wire_load ("pins") {{
    resistance : 0;
    capacitance : {femtofarads / 1000:g};
    area : 0;
    slope : 1;
{lengths}
  }}
}}
"""


def macro_variables(placed: Mapping[str, str]) -> dict[str, Any]:
    """LibreLane's variables for SRAM macros: their files in the PDK, where each is placed, and its power.

    They stand in rows from the lower left corner. A row is as long as the side of a square twice as large as all of
    them, which is less than the side of the core, wherever half of it is for cells.

    Parameters
    ----------
    placed : mapping of str to str
        Full name of each instance, and its macro (`nomul.boards.sg13g2_sram.instances`).
    """
    side = math.sqrt(2 * sum(MACROS[name].area for name in placed.values()))
    entries: dict[str, Any] = {}
    x = y = row = _MARGIN
    for instance, name in sorted(placed.items(), key=lambda item: (-MACROS[item[1]].height, item)):
        macro = MACROS[name]
        if x > _MARGIN and x + macro.width > side:
            x, y = _MARGIN, row
        entry = entries.setdefault(name, {
            **{kind: [f"pdk_dir::libs.ref/sg13g2_sram/{kind}/{name}.{kind}"] for kind in ("gds", "lef")},
            "vh": ["dir::macros.v"],
            "lib": {f"*{corner}*": [f"pdk_dir::libs.ref/sg13g2_sram/lib/{name}_{file}.lib"]
                    for corner, file in _CORNERS.items()},
            "instances": {}})
        entry["instances"][instance] = {"location": [round(x, 2), round(y, 2)], "orientation": "N"}
        x, row = x + macro.width + _GAP, max(row, y + macro.height + _GAP)
    return {
        "MACROS": entries,
        "PDN_MACRO_CONNECTIONS": [f"{re.escape(instance)} VPWR VGND {pin}! VSS!" for instance in placed
                                  for pin in ("VDD", "VDDARRAY")],
        "PDN_MULTILAYER": True,
        "PDN_HORIZONTAL_HALO": 5, "PDN_VERTICAL_HALO": 5,
        "FP_MACRO_HORIZONTAL_HALO": _GAP / 2, "FP_MACRO_VERTICAL_HALO": _GAP / 2,
    }


def librelane(top: str, clock_hz: int, sources: Sequence[str], more: Mapping[str, Any]) -> str:
    """LibreLane's configuration; `more` are the variables of macros."""
    values = {
        "meta": {"version": 3, "flow": "Classic"},
        "DESIGN_NAME": top,
        "VERILOG_FILES": [f"dir::{source}" for source in sources],
        "CLOCK_PORT": "clk",
        "CLOCK_PERIOD": 1e9 / clock_hz,
        "PNR_SDC_FILE": f"dir::{top}.sdc",
        "SIGNOFF_SDC_FILE": f"dir::{top}.sdc",
        "FALLBACK_SDC": f"dir::{top}.sdc",
        "SYNTH_STRATEGY": "AREA 0",
        "FP_SIZING": "relative",
        "FP_CORE_UTIL": _UTILIZATION,
        "PL_TARGET_DENSITY_PCT": _UTILIZATION + 10,
        **more,
    }
    return json.dumps(values, indent=2) + "\n"
