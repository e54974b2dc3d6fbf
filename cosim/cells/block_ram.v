// Block RAM as all vendors build it: bytes of 9 bits behind two ports on one clock, each port with its own width.
// The vendors' cells in this folder are this module with their names for its pins. Not modelled: different clocks,
// output registers and resets of the outputs; no netlist of nomul has them.
//
// A port of 9 bits or more reads and writes WIDTH / 9 bytes, aligned, each with its write enable. A narrower one
// takes WIDTH bits of the lower 8 of a byte. Addresses count bits: the low three are those within a byte.
module nomul_block_ram #(
    parameter BYTES = 2048,
    parameter WIDTH_A = 9,                  // 1, 2, 4, 9, 18, 36 or 72
    parameter WIDTH_B = 9,
    parameter SHOW_A = 0,                   // what a port's output shows while the port writes: 0 as before,
    parameter SHOW_B = 0,                   // 1 the new data, 2 the old data
    parameter OLD_ACROSS = 0,               // 1: where one port writes and shows the old data, the other reads the old
                                            // data, too. Otherwise it reads garbage: the old data inverted.
    parameter BYTE_BITS = 9,                // bits of a byte in INIT; where they are 8, PARITY has the ninth
    parameter PAIR_BITS = 18,               // distance of every other byte in INIT
    parameter INIT = 1'b0,
    parameter PARITY = 1'b0
) (
    input clk,
    input [7:0] write_a, write_b,           // one bit a byte
    input read_a, read_b,                   // enables of the outputs
    input [15:0] address_a, address_b,
    input [71:0] data_a, data_b,
    output [71:0] output_a, output_b
);
    reg [8:0] memory [0:BYTES - 1];

    integer n;
    initial for (n = 0; n < BYTES; n = n + 1) begin
        memory[n] = INIT[n / 2 * PAIR_BITS + n % 2 * BYTE_BITS +: BYTE_BITS];
        if (BYTE_BITS == 8) memory[n][8] = PARITY[n];
    end

    genvar p;
    generate for (p = 0; p < 2; p = p + 1) begin : port
        localparam WIDTH = p ? WIDTH_B : WIDTH_A;
        localparam OTHER_WIDTH = p ? WIDTH_A : WIDTH_B;
        localparam SHOW = p ? SHOW_B : SHOW_A;
        localparam OTHER_SHOW = p ? SHOW_A : SHOW_B;
        localparam LANES = WIDTH < 9 ? 1 : WIDTH / 9;
        localparam OTHER_LANES = OTHER_WIDTH < 9 ? 1 : OTHER_WIDTH / 9;
        wire [7:0] write = p ? write_b : write_a;
        wire [7:0] other_write = p ? write_a : write_b;
        wire enable = p ? read_b : read_a;
        wire [15:0] address = p ? address_b : address_a;
        wire [15:0] other_address = p ? address_a : address_b;
        wire [71:0] data = p ? data_b : data_a;
        wire [15:0] first = address / 8 & ~(LANES - 1);
        wire [15:0] other_first = other_address / 8 & ~(OTHER_LANES - 1);

        reg [71:0] shown;                   // the output register
        initial shown = 0;
        wire [8:0] mask = WIDTH < 9 ? ((1 << WIDTH) - 1) << (address & 8 - WIDTH) : 9'h1ff;
        wire [8:0] other_mask =
            OTHER_WIDTH < 9 ? ((1 << OTHER_WIDTH) - 1) << (other_address & 8 - OTHER_WIDTH) : 9'h1ff;
        reg [8:0] was, after;
        reg [15:0] distance;
        integer lane;
        always @(posedge clk) for (lane = 0; lane < LANES; lane = lane + 1) begin
            was = memory[first + lane];
            after = was & ~mask | (WIDTH < 9 ? data << (address & 8 - WIDTH) : data[9 * lane +: 9]) & mask;
            if (write[lane]) memory[first + lane] <= after;
            distance = first + lane - other_first;
            if (distance < OTHER_LANES && other_write[distance] && !(OLD_ACROSS && OTHER_SHOW == 2))
                was = was ^ other_mask;
            if (WIDTH < 9) was = was >> (address & 8 - WIDTH);
            if (WIDTH < 9) after = after >> (address & 8 - WIDTH);
            if (enable && !(|write)) shown[9 * lane +: 9] <= was;
            else if (enable && SHOW == 1) shown[9 * lane +: 9] <= write[lane] ? after : was;
            else if (enable && SHOW == 2) shown[9 * lane +: 9] <= was;
        end
    end endgenerate

    assign output_a = port[0].shown;
    assign output_b = port[1].shown;
endmodule
