"""The AXI peripheral's registers as a page for people, beside `nomul.gen.register_map`, and as a header for C."""

from nomul.gen.spec.axi import AXI_REGISTERS, ERROR_MEANINGS, WORD_BASE, StreamError, axi_address
from nomul.gen.spec.registers import REGISTERS

__all__ = ["axi_registers", "header", "page", "stream_errors"]


def axi_registers() -> list[dict]:
    """Every register on AXI4-Lite as ``{"name", "offset", "writable", "meaning"}``."""
    return [{"name": register.name, "offset": axi_address(register.name), "writable": register.writable,
             "meaning": register.meaning} for register in (*REGISTERS, *AXI_REGISTERS)]


def stream_errors() -> list[dict]:
    """Every bit of ERRORS as ``{"bit", "name", "meaning"}``."""
    return [{"bit": int(error), "name": error.name, "meaning": ERROR_MEANINGS[error]} for error in StreamError]


def page() -> str:
    """The registers as Markdown."""
    rows = [(row, "read and write" if row["writable"] else "read") for row in axi_registers()]
    lines = [
        "# Registers on AXI4-Lite", "",
        f"Byte offsets; 32 bits each. From {WORD_BASE:#x} on lies the memory word that was read last.",
        "Any other offset is answered with SLVERR.", "",
        "| offset | register | access | what |", "|---|---|---|---|",
        *(f"| {row['offset']:#05x} | {row['name']} | {access} | {row['meaning']} |" for row, access in rows),
        "", "## Bits of ERRORS", "", "| bit | error | what |", "|---|---|---|",
        *(f"| {row['bit']} | {row['name']} | {row['meaning']} |" for row in stream_errors()),
    ]
    return "\n".join(lines) + "\n"


def header() -> str:
    """The offsets as a C header, to be included behind `registers.h`."""
    values = [(f"AXI_{row['name']}", f"{row['offset']:#05x}") for row in axi_registers()]
    values += [("AXI_WORD", f"{WORD_BASE:#05x}")]
    values += [(f"ERROR_{row['name']}", f"(1u << {row['bit']})") for row in stream_errors()]
    lines = ["/* Byte offsets of the registers on AXI4-Lite, and bits of ERRORS. */", "#ifndef NOMUL_AXI_H",
             "#define NOMUL_AXI_H", "", *(f"#define NOMUL_{name} {value}" for name, value in values), "", "#endif"]
    return "\n".join(lines) + "\n"
