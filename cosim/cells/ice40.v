// Lattice iCE40. Block RAM has a published model.

// LUTs as what they are, a table. The published models, trees of multiplexers, say the same, but simulate slower.

module SB_LUT4 #(parameter [15:0] LUT_INIT = 0) (input I0, I1, I2, I3, output O);
    assign O = LUT_INIT >> {I3, I2, I1, I0};
endmodule
