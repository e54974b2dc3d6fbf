"""Area, delay and energy of a design on an open standard-cell library, with yosys as the only tool.

`nomul.gen.asic.measure` is the entry; each other module is one step of it: read the library, map, time, simulate,
sum up.
"""
