"""Writes the tables of the documentation from `nomul.gen.spec`, and the plot of results.md from its table.

``python docs/tables.py`` writes them, ``python docs/tables.py --check`` only says whether that would change anything.
"""

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from nomul.gen.axi_map import axi_registers, stream_errors
from nomul.gen.presets import load_config, preset_names
from nomul.gen.register_map import regions, registers
from nomul.gen.spec import config, frames, program
from nomul.gen.spec.axi import AXI_BASE, SECTION
from nomul.sw.chart import line_chart

__all__ = ["TABLES", "main"]

_FOLDER = Path(__file__).parent
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def _config() -> str:
    fields = dataclasses.fields(config.Config)
    attributes = (inspect.getdoc(config.Config) or "").partition("Attributes")[2].partition("Raises")[0]
    meanings: dict[str, str] = {}
    for names, text in re.findall(r"^(\w[\w, ]*) : .*\n((?:    .*\n)+)", attributes, re.MULTILINE):
        meanings |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return _table(["field", "default", "meaning"], [
        (f"`{field.name}`", "required" if field.default is dataclasses.MISSING else field.default, meanings[field.name])
        for field in fields])


def _presets() -> str:
    keys = ["lanes", "columns", "operators", "weight_words", "activation_words", "requantizers"]
    rows = []
    for name in preset_names():
        preset = load_config(name)
        values = [", ".join(value) if isinstance(value := getattr(preset, key), tuple) else value for key in keys]
        rows.append((f"`{name}`", *values, f"`{preset.hash}`"))
    return _table(["preset", *keys, "hash"], rows)


def _descriptor() -> str:
    rows, bit = [], 0
    for field in program.FIELDS:
        stored = "signed" if field.signed else "less one" if field.less_one else ""
        rows.append((bit, field.bits, stored, f"`{field.name}`", field.meaning))
        bit += field.bits
    return _table(["bit", "bits", "stored", "field", "meaning"], rows)


def _regions() -> str:
    return _table(["number", "region", "bytes a word in `demo`", "what"], [
        (row["number"], row["name"], row["word_bytes"], row["meaning"]) for row in regions(load_config("demo"))])


def _registers() -> str:
    return _table(["address", "register", "host may", "what"], [
        (row["address"], row["name"], "read and write" if row["writable"] else "read", row["meaning"])
        for row in registers()])


def _operations() -> str:
    """The table of the module that defines the frames, with its operations' numbers."""
    lines = (frames.__doc__ or "").splitlines()
    rulers = [index for index, line in enumerate(lines) if line.startswith("===")]
    starts = [match.start() for match in re.finditer("=+", lines[rulers[0]])] + [None]
    rows = []
    for line in lines[rulers[1] + 1:rulers[2]]:
        cells = [line[start:end].strip() for start, end in zip(starts, starts[1:], strict=False)]
        rows.append((int(frames.Operation[cells[0]]), *cells))
    return _table(["number", "operation", "request", "answer, after the status byte"], rows)


def _statuses() -> str:
    return _table(["number", "status"], [(int(status), status.name) for status in frames.Status])


def _axi_registers() -> str:
    return _table(["offset", "register", "host may", "what"], [
        (f"`{row['offset']:#05x}`", row["name"], "read and write" if row["writable"] else "read", row["meaning"])
        for row in axi_registers() if row["offset"] >= AXI_BASE])


def _axi_errors() -> str:
    return _table(["bit", "error", "what broke the rule"], [
        (row["bit"], row["name"], row["meaning"]) for row in stream_errors()])


def _section() -> str:
    rows, bit = [], 0
    for name, bits in SECTION.items():
        rows.append((bit, bits, f"`{name}`"))
        bit += bits
    return _table(["bit", "bits", "field"], rows)


TABLES = {"config": _config, "presets": _presets, "descriptor": _descriptor, "regions": _regions,
          "registers": _registers, "operations": _operations, "statuses": _statuses,
          "axi_registers": _axi_registers, "axi_errors": _axi_errors, "section": _section}


def _plot(page: str) -> str:
    """The chart of results.md: of rows such as ``| name | 3: 99.1, 8: 99.4 |``."""
    curves = {name: [(int(bits), float(accuracy)) for bits, accuracy in re.findall(r"(\d): ([\d.]+)", points)]
              for name, points in re.findall(r"^\| ([^|]+) \| (\d: [^|]+) \|$", page, re.MULTILINE)}
    return line_chart("MNIST, integer golden model", "bits of a weight", "correct, %", curves)


def main(arguments: Sequence[str]) -> int:
    """Writes (or with ``--check`` compares) every marked table, and the plot; 1 if one was not true."""
    changed = []
    for path in sorted(_FOLDER.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        new = _BLOCK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)
        if new != text:
            changed.append(path.name)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    check, plot = "--check" in arguments, _FOLDER / "results.svg"
    new = _plot((_FOLDER / "results.md").read_text(encoding="utf-8"))
    if not plot.exists() or plot.read_text(encoding="utf-8") != new:
        changed.append(plot.name)
        if not check:
            plot.write_text(new, encoding="utf-8")
    for name in changed:
        print(f"docs/{name}: {'not true; run: python docs/tables.py' if check else 'written'}")
    return int(bool(changed) and check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
