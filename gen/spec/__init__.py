"""What hardware and software must agree on: configuration, weight codes, program, registers, frames.

These modules import the standard library and NumPy only, so that `hdl` (no torch) and `sw` (no Amaranth)
can both be built from them.
"""
