"""A cell library whose numbers can be worked by hand, and netlists of its cells, for the tests of `nomul.gen.asic`."""

import json

from nomul.gen.asic.library import read_library
from nomul.gen.asic.netlist import read_netlist

# 2 V: charging 1 fF takes 2 fJ. Delays are constants, so that times are sums: INV 0.1 ns, NAND2 0.2 ns; not those of
# SLOPED, an inverter with tables.
HEAD = """
library (tiny) { /* hand-made */
  time_unit : "1ns"; voltage_unit : "1V"; capacitive_load_unit (1, pf); leakage_power_unit : "1pW"; nom_voltage : 2.0;
  lu_table_template (by_slew_and_load) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0.1, 0.5"); index_2 ("0.001, 0.011");
  }
  lu_table_template (by_load_and_slew) {
    variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
    index_1 ("0.001, 0.011, 0.021"); index_2 ("0.1, 0.5");
  }
"""


def constant(name, value):
    return f'{name} (scalar) {{ values ("{value}"); }}'


def flat(name, value):
    """As a table, because ABC takes no constants for delays."""
    return f'{name} (by_slew_and_load) {{ values ("{value}, {value}", "{value}, {value}"); }}'


def arc(source, delay, sense="negative_unate", kind="combinational"):
    tables = [flat("cell_rise", delay), flat("cell_fall", delay),
              flat("rise_transition", 0.1), flat("fall_transition", 0.1)]
    return f"timing () {{ related_pin : {source}; timing_sense : {sense}; timing_type : {kind}; {' '.join(tables)} }}"


def power(rise, fall, source="", when=""):
    condition = (f"related_pin : {source};" if source else "") + (f'when : "{when}";' if when else "")
    return f"internal_power () {{ {condition} {constant('rise_power', rise)} {constant('fall_power', fall)} }}"


INV = f"""
  cell (INV) {{ area : 1; cell_leakage_power : 500;
    pin (A) {{ direction : input; capacitance : 0.002; }}
    pin (Y) {{ direction : output; function : "!A"; {arc("A", 0.1)} {power(0.004, 0.002, "A")} }}
  }}"""
NAND2 = f"""
  cell (NAND2) {{ area : 2; cell_leakage_power : 700;
    pin (A) {{ direction : input; capacitance : 0.001; }}
    pin (B) {{ direction : input; capacitance : 0.001; }}
    pin (Y) {{ direction : output; function : "(A B)'"; {arc("A", 0.2)} {arc("B", 0.2)} }}
  }}"""
BUF = INV.replace("INV", "BUF").replace("!A", "A").replace("negative", "positive")
NOR2 = NAND2.replace("NAND2", "NOR2").replace("(A B)'", "!(A + B)")
DFF = f"""
  cell (DFF) {{ area : 6; cell_leakage_power : 900;
    ff (IQ, IQN) {{ clocked_on : "CLK"; next_state : "D"; }}
    pin (CLK) {{ direction : input; clock : true; capacitance : 0.001;
      {power(0.006, 0.004, when="D")} {power(0.001, 0.001)} }}
    pin (D) {{ direction : input; capacitance : 0.001;
      timing () {{ related_pin : CLK; timing_type : setup_rising;
        {constant("rise_constraint", 0.05)} {constant("fall_constraint", 0.04)} }} }}
    pin (Q) {{ direction : output; function : "IQ"; {arc("CLK", 0.3, "non_unate", "rising_edge")}
      {power(0.008, 0.006, "CLK")} }}
  }}"""
SLOPED = """
  cell (SLOPED) { area : 1;
    pin (A) { direction : input; capacitance : 0.002; }
    pin (Y) { direction : output; function : "!A";
      timing () { related_pin : A; timing_sense : negative_unate;
        cell_rise (by_slew_and_load) { values ("0.10, 0.20", "0.14, 0.24"); }
        cell_fall (by_slew_and_load) { values ("0.06, 0.16", \\
                                               "0.14, 0.24"); }
        rise_transition (by_slew_and_load) { values ("0.1, 0.3", "0.1, 0.3"); }
        fall_transition (by_slew_and_load) { values ("0.1, 0.3", "0.1, 0.3"); }
      } }
  }"""


def library(folder, *cells):
    """The library with these cells, from a file in `folder`."""
    path = folder / "tiny.lib"
    path.write_text(HEAD + "".join(cells) + "\n}\n")
    return read_library(path)


def netlist(cells, library, inputs="a", outputs="y", clock=""):
    """A netlist of `(type, {pin: net})`; nets have names of one letter, and those of ports are the ports'."""
    bits = {name: ord(name) for name in [*inputs, *outputs, *clock]}
    ports = {name: {"direction": "output" if name in outputs else "input", "bits": [bit]} for name, bit in bits.items()}
    made = {f"u{index}": {"type": kind, "connections": {pin: [ord(net)] for pin, net in pins.items()}}
            for index, (kind, pins) in enumerate(cells)}
    return read_netlist(json.dumps({"modules": {"top": {"ports": ports, "cells": made}}}), "top", library)
