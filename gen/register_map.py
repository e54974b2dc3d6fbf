"""The memory map as a page for people and as a header for C, from the one table in `gen.spec.registers`."""

from nomul.gen.spec.config import INTERFACE_VERSION, Config
from nomul.gen.spec.registers import REGISTERS, Region, Status, word_bytes

__all__ = ["header", "page", "regions", "registers"]

_MEANINGS = {
    Region.REGISTERS: "registers, below",
    Region.PROGRAM: "layer descriptors",
    Region.WEIGHTS: "weights: a word has the weights of one column for all lanes",
    Region.PARAMETERS: "parameters: a word has bias and multiplier of one output channel",
    Region.ACTIVATIONS: "activations: a word has `lanes` channels of one pixel",
    Region.RESULTS: "read only: cycles of the last run (2 words), index of the largest output, network outputs, signed",
    Region.INPUT: "write only: activation codes of the image in the order y, x, channel; address bits 20 to 23 are the "
                  "run's number",
    Region.CODED_WEIGHTS: "write only, with `weight_decoder`: the weights of all layers, entropy-coded",
    Region.WEIGHT_STREAM: "write only, with `weight_stream`: weights that a run needs, in order; address bits 20 to 23 "
                          "are the run's number",
}


def regions(config: Config) -> list[dict]:
    """Every region as ``{"name", "number", "word_bytes", "meaning"}``."""
    return [{"name": region.name, "number": int(region), "word_bytes": word_bytes(region, config),
             "meaning": _MEANINGS[region]} for region in Region]


def registers() -> list[dict]:
    """Every register as ``{"name", "address", "writable", "meaning"}``."""
    return [{"name": register.name, "address": address, "writable": register.writable,
             "meaning": register.meaning} for address, register in enumerate(REGISTERS)]


def page(config: Config) -> str:
    """The map as Markdown."""
    lines = [
        f"# Memory map of accelerator `{config.name}`",
        "",
        f"Configuration hash `{config.hash}`, interface version {INTERFACE_VERSION}.",
        "Addresses count words; words travel as little-endian bytes, unused high bits are 0.",
        "",
        "## Regions",
        "",
        "| number | region | bytes a word | what |",
        "|---|---|---|---|",
        *(f"| {row['number']} | {row['name']} | {row['word_bytes']} | {row['meaning']} |"
          for row in regions(config)),
        "",
        "## Registers (region 0, 32 bits each)",
        "",
        "| address | register | access | what |",
        "|---|---|---|---|",
        *(f"| {row['address']} | {row['name']} | {'read and write' if row['writable'] else 'read'} "
          f"| {row['meaning']} |" for row in registers()),
    ]
    return "\n".join(lines) + "\n"


def header(config: Config) -> str:
    """The map as a C header."""
    values = [("INTERFACE_VERSION", str(INTERFACE_VERSION)), ("CONFIG_HASH", f"0x{config.hash}ULL"), ("", "")]
    values += [(f"REGION_{row['name']}", str(row["number"])) for row in regions(config)] + [("", "")]
    values += [(f"WORD_BYTES_{row['name']}", str(row["word_bytes"])) for row in regions(config)] + [("", "")]
    values += [(f"REGISTER_{row['name']}", str(row["address"])) for row in registers()] + [("", "")]
    values += [(f"STATUS_{bit.name}", f"(1u << {int(bit)})") for bit in Status]
    lines = [
        f"/* Memory map of configuration {config.hash}: regions, bytes of their words, registers. */",
        "#ifndef NOMUL_REGISTERS_H",
        "#define NOMUL_REGISTERS_H",
        "",
        *(f"#define NOMUL_{name} {value}" if name else "" for name, value in values),
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"
