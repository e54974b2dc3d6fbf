"""`nomul inspect`: prints any file of the flow."""

import json
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import FileError, check_input
from nomul.gen.cli.screen import say, show_table

__all__ = ["COMMAND", "describe"]

#: Records of more fields are printed as lines, not as a table.
_COLUMNS = 14


def describe(path: Path) -> dict[str, Any]:
    """What a file is, as JSON-able values; ``kind`` says which of them there are.

    Raises
    ------
    FileError
        If the file is none of nomul's.
    """
    data = path.read_bytes()
    if path.suffix == ".toml" or _is_toml(data):
        return _config(path)
    if data.lstrip()[:1] == b"{":
        return _manifest(path, data)
    if path.suffix == ".v":
        raise FileError(f"{path} is Verilog, a text to read; inspect manifest.json beside it")
    from nomul.sw import container

    content = container.load(path)
    arrays = {name: {"type": str(value.dtype), "shape": list(value.shape)}
              for name, value in content.tensors.items()}
    result = {"kind": content.kind, "version": content.version, "hash": content.hash, **content.header,
              "arrays": arrays}
    return result | _DETAILS.get(content.kind, lambda path: {})(path)


def _is_toml(data: bytes) -> bool:
    try:
        return bool(tomllib.loads(data.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False


def _config(path: Path) -> dict[str, Any]:
    from nomul.gen.spec.config import Config

    config = Config.from_toml(path)
    return {"kind": "configuration", "hash": config.hash, **config.to_dict(), "derived": {
        "processing elements": config.lanes * config.columns,
        "weight memory, bits": config.weight_words * config.weight_word_bits,
        "parameter memory, bits": config.parameter_words * config.parameter_word_bits,
        "activation memory, bits": config.activation_words * config.activation_word_bits,
        "image memory, bits": config.image_bytes * config.activation_bits}}


def _manifest(path: Path, data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except ValueError as error:
        raise FileError(f"{path} is no JSON ({error}); give a manifest that `nomul generate` wrote") from None
    if not {"config_hash", "files", "ports"} <= set(values):
        raise FileError(f"{path} is no manifest; `nomul generate` writes manifest.json")
    return {"kind": "manifest", **values}


def _network(path: Path) -> dict[str, Any]:
    from nomul.sw.network import IntegerNetwork

    return {"layers": IntegerNetwork.load(path).summary()}


def _program(path: Path) -> dict[str, Any]:
    from nomul.gen.spec.program import unpack
    from nomul.sw.compiled import CompiledNetwork

    compiled = CompiledNetwork.load(path)
    return {"weight_stream_bytes": compiled.weight_stream_bytes, "layers": compiled.summary(), "descriptors": [
        {key: value for key, value in unpack(words.tolist()).items() if value or key == "opcode"}
        for words in compiled.program]}


_DETAILS: dict[str, Callable[[Path], dict[str, Any]]] = {"network": _network, "program": _program}


def _show(name: str, value: object) -> None:
    """Prints one entry: lists of records as a table, records as a list of lines, the rest as it is."""
    if isinstance(value, dict) and value:
        if all(isinstance(entry, dict) for entry in value.values()):
            value = [{name.rstrip("s"): key, **entry} for key, entry in value.items()]
        else:
            say(f"\n{name}:")
            show_table([(f"  {key}", _cell(entry)) for key, entry in value.items()])
            return
    if isinstance(value, list) and value and isinstance(value[0], dict):
        header = list(dict.fromkeys(key for entry in value for key in entry))
        say(f"\n{name}:")
        if len(header) <= _COLUMNS:
            show_table([[_cell(entry.get(key, "")) for key in header] for entry in value], header)
        else:
            for entry in value:
                say("  " + ", ".join(f"{key} {_cell(part)}" for key, part in entry.items()))
    else:
        say(f"{name}: {_cell(value)}")


def _cell(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a checkpoint, integer network, program, configuration (.toml) "
                                                     "or manifest.json")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(arguments: Namespace) -> int:
    description = describe(check_input(arguments.file))
    if arguments.json:
        say(json.dumps(description, indent=2))
        return 0
    flat = {key: value for key, value in description.items() if not isinstance(value, (dict, list))}
    for key, value in flat.items():
        _show(key, value)
    for key, value in description.items():
        if key not in flat:
            _show(key, value)
    return 0


COMMAND = Command("inspect", "print what a file of the flow contains",
                  ("nomul inspect adder.network", "nomul inspect build/demo/manifest.json --json"), _configure, _run)
