"""From Verilog to counts, netlists and clock rates of real fabrics, by tools that come as Python wheels.

These modules import `nomul.gen.spec` and the standard library only; the tools are the extra `synth`.
"""
