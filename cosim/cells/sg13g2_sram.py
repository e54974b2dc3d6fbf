"""Models of SRAM macros that promise as little as can be: what is not specified comes out as a wrong word.

The output holds a wrong word after a write to a macro of one port, and after a word has been read while it was written.
"""

from collections.abc import Iterable

from nomul.boards.sg13g2_sram import MACROS, Macro

__all__ = ["sram_models"]


def sram_models(names: Iterable[str]) -> str:
    """Verilog of these macros (keys of `MACROS`); Verilator reads it."""
    return "\n".join(_model(MACROS[name]) for name in sorted(set(names)))


def _model(macro: Macro) -> str:
    inputs = {pin.removeprefix("i_"): len(value) for port in "AB"[:macro.ports]
              for pin, value in macro.instance(port).items()}
    last, address = macro.bits - 1, macro.address_bits - 1
    lines = [f"module {macro.name} ({', '.join([*inputs, *(f'{port}_DOUT' for port in 'AB'[:macro.ports])])});",
             *(f"  input [{width - 1}:0] {pin};" for pin, width in inputs.items()),
             f"  reg [{last}:0] memory [0:{macro.words - 1}];"]
    for port in "AB"[:macro.ports]:
        mask = f"{port}_BM" if macro.masked else f"{{{macro.bits}{{1'b1}}}}"
        other = "BA"["AB".index(port)]
        hazard = f"{other}_MEN[0] & {other}_WEN[0] & {other}_ADDR == {port}_ADDR" if macro.ports == 2 else "1'b0"
        lines += [
            f"  output reg [{last}:0] {port}_DOUT;",
            f"  wire [{address}:0] {port}_at = {port}_ADDR;",
            f"  always @(posedge {port}_CLK[0]) if ({port}_MEN[0] & {port}_DLY[0]) begin",
            f"    if ({port}_WEN[0]) begin",
            f"      memory[{port}_at] <= (memory[{port}_at] & ~{mask}) | ({port}_DIN & {mask});",
            f"      {port}_DOUT <= ~{port}_DOUT ^ {port}_DIN;",
            f"    end else if ({port}_REN[0]) {port}_DOUT <= {hazard} ? ~memory[{port}_at] : memory[{port}_at];",
            "  end",
        ]
    return "\n".join([*lines, "endmodule", ""])
