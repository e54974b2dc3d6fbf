"""Carries of adders on a chip, as a rule for Yosys."""

__all__ = ["RIPPLE"]

#: Carries of adders ripple: the bits of a sum come low first, level by level, so that a tree is hardly slower than one
#: adder. Yosys' own rule makes prefix adders, which are larger.
RIPPLE = """\
(* techmap_celltype = "$lcu" *)
module _80_lcu_ripple (P, G, CI, CO);
    parameter WIDTH = 2;
    (* force_downto *) input [WIDTH-1:0] P, G;
    input CI;
    (* force_downto *) output [WIDTH-1:0] CO;
    wire [WIDTH:0] carries = {CO, CI};
    assign CO = G | (P & carries[WIDTH-1:0]);
endmodule
"""
