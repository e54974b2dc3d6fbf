// Gowin: block RAM cells, in the modes in which yosys uses them: without output register (READ_MODE 0) and with the
// one block that BLK_SEL and BLKSEL both call 0. X9 are the ones with bytes of 9 bits.
// Pins, widths, byte enables in the low address bits, write modes, layout of INIT_RAM_xx: Gowin UG285, "BSRAM & SSRAM
// User Guide". What one port reads where the other writes in the same clock cycle is garbage here.
module SDPB #(
    parameter READ_MODE = 1'b0, parameter BIT_WIDTH_0 = 32, parameter BIT_WIDTH_1 = 32,
    parameter BLK_SEL_0 = 3'b000, parameter BLK_SEL_1 = 3'b000, parameter RESET_MODE = "SYNC",
    parameter [255:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05
        = 0,
    parameter [255:0] INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B
        = 0,
    parameter [255:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11
        = 0,
    parameter [255:0] INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17
        = 0,
    parameter [255:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D
        = 0,
    parameter [255:0] INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23
        = 0,
    parameter [255:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29
        = 0,
    parameter [255:0] INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F
        = 0,
    parameter [255:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35
        = 0,
    parameter [255:0] INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B
        = 0,
    parameter [255:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
) (
    input CLKA, CEA, RESETA, CLKB, CEB, OCE, RESETB,
    input [13:0] ADA, ADB,
    input [31:0] DI,
    input [2:0] BLKSELA, BLKSELB,
    output [31:0] DO
);
    localparam WIDTH_A = (BIT_WIDTH_0 < 8 ? BIT_WIDTH_0 : BIT_WIDTH_0 / 8 * 9);
    localparam WIDTH_B = (BIT_WIDTH_1 < 8 ? BIT_WIDTH_1 : BIT_WIDTH_1 / 8 * 9);
    wire [3:0] bytes = WIDTH_A == 36 ? ADA[3:0] : WIDTH_A == 18 ? ADA[1:0] : 1;
    wire [71:0] out;
    nomul_block_ram #(
        .WIDTH_A(WIDTH_A), .WIDTH_B(WIDTH_B), .BYTE_BITS(8), .PAIR_BITS(16),
        .INIT({
        INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
        INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
        INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
        INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
        INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
        INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
        INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
        INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
    ) ram (
        .clk(CLKA),
        .write_a(CEA ? bytes : 4'b0), .read_a(1'b0), .address_a(ADA), .output_a(),
        .data_a({1'b0, DI[31:24], 1'b0, DI[23:16], 1'b0, DI[15:8], 1'b0, DI[7:0]}),
        .write_b(8'b0), .read_b(CEB), .address_b(ADB), .data_b(72'b0), .output_b(out));
    assign DO = {out[34:27], out[25:18], out[16:9], out[7:0]};
endmodule

module SDPX9B #(
    parameter READ_MODE = 1'b0, parameter BIT_WIDTH_0 = 36, parameter BIT_WIDTH_1 = 36,
    parameter BLK_SEL_0 = 3'b000, parameter BLK_SEL_1 = 3'b000, parameter RESET_MODE = "SYNC",
    parameter [287:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05
        = 0,
    parameter [287:0] INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B
        = 0,
    parameter [287:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11
        = 0,
    parameter [287:0] INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17
        = 0,
    parameter [287:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D
        = 0,
    parameter [287:0] INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23
        = 0,
    parameter [287:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29
        = 0,
    parameter [287:0] INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F
        = 0,
    parameter [287:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35
        = 0,
    parameter [287:0] INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B
        = 0,
    parameter [287:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
) (
    input CLKA, CEA, RESETA, CLKB, CEB, OCE, RESETB,
    input [13:0] ADA, ADB,
    input [35:0] DI,
    input [2:0] BLKSELA, BLKSELB,
    output [35:0] DO
);
    localparam WIDTH_A = BIT_WIDTH_0;
    localparam WIDTH_B = BIT_WIDTH_1;
    wire [3:0] bytes = WIDTH_A == 36 ? ADA[3:0] : WIDTH_A == 18 ? ADA[1:0] : 1;
    wire [71:0] out;
    nomul_block_ram #(
        .WIDTH_A(WIDTH_A), .WIDTH_B(WIDTH_B), .BYTE_BITS(9), .PAIR_BITS(18),
        .INIT({
        INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
        INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
        INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
        INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
        INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
        INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
        INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
        INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
    ) ram (
        .clk(CLKA),
        .write_a(CEA ? bytes : 4'b0), .read_a(1'b0), .address_a(ADA), .output_a(),
        .data_a(DI),
        .write_b(8'b0), .read_b(CEB), .address_b(ADB), .data_b(72'b0), .output_b(out));
    assign DO = out;
endmodule

module DPB #(
    parameter READ_MODE0 = 1'b0, parameter READ_MODE1 = 1'b0, parameter RESET_MODE = "SYNC",
    parameter WRITE_MODE0 = 0, parameter WRITE_MODE1 = 0,
    parameter BIT_WIDTH_0 = 16, parameter BIT_WIDTH_1 = 16,
    parameter BLK_SEL_0 = 3'b000, parameter BLK_SEL_1 = 3'b000,
    parameter [255:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05
        = 0,
    parameter [255:0] INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B
        = 0,
    parameter [255:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11
        = 0,
    parameter [255:0] INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17
        = 0,
    parameter [255:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D
        = 0,
    parameter [255:0] INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23
        = 0,
    parameter [255:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29
        = 0,
    parameter [255:0] INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F
        = 0,
    parameter [255:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35
        = 0,
    parameter [255:0] INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B
        = 0,
    parameter [255:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
) (
    input CLKA, CEA, WREA, OCEA, RESETA, CLKB, CEB, WREB, OCEB, RESETB,
    input [13:0] ADA, ADB,
    input [15:0] DIA, DIB,
    input [2:0] BLKSELA, BLKSELB,
    output [15:0] DOA, DOB
);
    localparam WIDTH_A = (BIT_WIDTH_0 < 8 ? BIT_WIDTH_0 : BIT_WIDTH_0 / 8 * 9);
    localparam WIDTH_B = (BIT_WIDTH_1 < 8 ? BIT_WIDTH_1 : BIT_WIDTH_1 / 8 * 9);
    wire [1:0] bytes_a = WIDTH_A == 18 ? ADA[1:0] : 1;
    wire [1:0] bytes_b = WIDTH_B == 18 ? ADB[1:0] : 1;
    wire [71:0] output_a, output_b;
    nomul_block_ram #(
        .WIDTH_A(WIDTH_A), .WIDTH_B(WIDTH_B), .SHOW_A(WRITE_MODE0), .SHOW_B(WRITE_MODE1),
        .BYTE_BITS(8), .PAIR_BITS(16),
        .INIT({
        INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
        INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
        INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
        INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
        INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
        INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
        INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
        INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
    ) ram (
        .clk(CLKA),
        .write_a(CEA && WREA ? bytes_a : 2'b0), .read_a(CEA), .address_a(ADA), .output_a(output_a),
        .data_a({1'b0, DIA[15:8], 1'b0, DIA[7:0]}),
        .write_b(CEB && WREB ? bytes_b : 2'b0), .read_b(CEB), .address_b(ADB), .output_b(output_b),
        .data_b({1'b0, DIB[15:8], 1'b0, DIB[7:0]}));
    assign DOA = {output_a[16:9], output_a[7:0]};
    assign DOB = {output_b[16:9], output_b[7:0]};
endmodule

module DPX9B #(
    parameter READ_MODE0 = 1'b0, parameter READ_MODE1 = 1'b0, parameter RESET_MODE = "SYNC",
    parameter WRITE_MODE0 = 0, parameter WRITE_MODE1 = 0,
    parameter BIT_WIDTH_0 = 18, parameter BIT_WIDTH_1 = 18,
    parameter BLK_SEL_0 = 3'b000, parameter BLK_SEL_1 = 3'b000,
    parameter [287:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05
        = 0,
    parameter [287:0] INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B
        = 0,
    parameter [287:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11
        = 0,
    parameter [287:0] INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17
        = 0,
    parameter [287:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D
        = 0,
    parameter [287:0] INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23
        = 0,
    parameter [287:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29
        = 0,
    parameter [287:0] INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F
        = 0,
    parameter [287:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35
        = 0,
    parameter [287:0] INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B
        = 0,
    parameter [287:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
) (
    input CLKA, CEA, WREA, OCEA, RESETA, CLKB, CEB, WREB, OCEB, RESETB,
    input [13:0] ADA, ADB,
    input [17:0] DIA, DIB,
    input [2:0] BLKSELA, BLKSELB,
    output [17:0] DOA, DOB
);
    localparam WIDTH_A = BIT_WIDTH_0;
    localparam WIDTH_B = BIT_WIDTH_1;
    wire [1:0] bytes_a = WIDTH_A == 18 ? ADA[1:0] : 1;
    wire [1:0] bytes_b = WIDTH_B == 18 ? ADB[1:0] : 1;
    wire [71:0] output_a, output_b;
    nomul_block_ram #(
        .WIDTH_A(WIDTH_A), .WIDTH_B(WIDTH_B), .SHOW_A(WRITE_MODE0), .SHOW_B(WRITE_MODE1),
        .BYTE_BITS(9), .PAIR_BITS(18),
        .INIT({
        INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
        INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
        INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
        INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
        INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
        INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
        INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
        INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
    ) ram (
        .clk(CLKA),
        .write_a(CEA && WREA ? bytes_a : 2'b0), .read_a(CEA), .address_a(ADA), .output_a(output_a),
        .data_a(DIA),
        .write_b(CEB && WREB ? bytes_b : 2'b0), .read_b(CEB), .address_b(ADB), .output_b(output_b),
        .data_b(DIB));
    assign DOA = output_a;
    assign DOB = output_b;
endmodule

module SP #(
    parameter READ_MODE = 1'b0, parameter WRITE_MODE = 0, parameter BIT_WIDTH = 32,
    parameter BLK_SEL = 3'b000, parameter RESET_MODE = "SYNC",
    parameter [255:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05 = 0,
    parameter [255:0] INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0,
    parameter [255:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0,
    parameter [255:0] INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0,
    parameter [255:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0,
    parameter [255:0] INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0,
    parameter [255:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29 = 0,
    parameter [255:0] INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0,
    parameter [255:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0,
    parameter [255:0] INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0,
    parameter [255:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
) (
    input CLK, CE, OCE, RESET, WRE,
    input [13:0] AD,
    input [31:0] DI,
    input [2:0] BLKSEL,
    output [31:0] DO
);
    localparam WIDTH = (BIT_WIDTH < 8 ? BIT_WIDTH : BIT_WIDTH / 8 * 9);
    wire [3:0] bytes = WIDTH == 36 ? AD[3:0] : WIDTH == 18 ? AD[1:0] : 1;
    wire [71:0] out;
    nomul_block_ram #(
        .WIDTH_A(WIDTH), .SHOW_A(WRITE_MODE), .BYTE_BITS(8), .PAIR_BITS(16),
        .INIT({
        INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
        INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
        INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
        INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
        INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
        INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
        INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
        INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
    ) ram (
        .clk(CLK),
        .write_a(CE && WRE ? bytes : 4'b0), .read_a(CE), .address_a(AD), .output_a(out),
        .data_a({1'b0, DI[31:24], 1'b0, DI[23:16], 1'b0, DI[15:8], 1'b0, DI[7:0]}),
        .write_b(8'b0), .read_b(1'b0), .address_b(16'b0), .data_b(72'b0), .output_b());
    assign DO = {out[34:27], out[25:18], out[16:9], out[7:0]};
endmodule

module SPX9 #(
    parameter READ_MODE = 1'b0, parameter WRITE_MODE = 0, parameter BIT_WIDTH = 36,
    parameter BLK_SEL = 3'b000, parameter RESET_MODE = "SYNC",
    parameter [287:0] INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, INIT_RAM_05 = 0,
    parameter [287:0] INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, INIT_RAM_0A = 0, INIT_RAM_0B = 0,
    parameter [287:0] INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0,
    parameter [287:0] INIT_RAM_12 = 0, INIT_RAM_13 = 0, INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0,
    parameter [287:0] INIT_RAM_18 = 0, INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0,
    parameter [287:0] INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, INIT_RAM_23 = 0,
    parameter [287:0] INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, INIT_RAM_28 = 0, INIT_RAM_29 = 0,
    parameter [287:0] INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0,
    parameter [287:0] INIT_RAM_30 = 0, INIT_RAM_31 = 0, INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0,
    parameter [287:0] INIT_RAM_36 = 0, INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0,
    parameter [287:0] INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0
) (
    input CLK, CE, OCE, RESET, WRE,
    input [13:0] AD,
    input [35:0] DI,
    input [2:0] BLKSEL,
    output [35:0] DO
);
    localparam WIDTH = BIT_WIDTH;
    wire [3:0] bytes = WIDTH == 36 ? AD[3:0] : WIDTH == 18 ? AD[1:0] : 1;
    wire [71:0] out;
    nomul_block_ram #(
        .WIDTH_A(WIDTH), .SHOW_A(WRITE_MODE), .BYTE_BITS(9), .PAIR_BITS(18),
        .INIT({
        INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
        INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
        INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
        INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
        INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
        INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
        INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
        INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
    ) ram (
        .clk(CLK),
        .write_a(CE && WRE ? bytes : 4'b0), .read_a(CE), .address_a(AD), .output_a(out),
        .data_a(DI),
        .write_b(8'b0), .read_b(1'b0), .address_b(16'b0), .data_b(72'b0), .output_b());
    assign DO = out;
endmodule

// LUTs as what they are, a table. The published models, trees of multiplexers, say the same, but simulate slower.

module LUT1 #(parameter [1:0] INIT = 0) (input I0, output F);
    assign F = INIT >> I0;
endmodule

module LUT2 #(parameter [3:0] INIT = 0) (input I0, I1, output F);
    assign F = INIT >> {I1, I0};
endmodule

module LUT3 #(parameter [7:0] INIT = 0) (input I0, I1, I2, output F);
    assign F = INIT >> {I2, I1, I0};
endmodule

module LUT4 #(parameter [15:0] INIT = 0) (input I0, I1, I2, I3, output F);
    assign F = INIT >> {I3, I2, I1, I0};
endmodule
