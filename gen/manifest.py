"""The manifest: what a generated accelerator is, for programs that have to deal with its files."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping

from amaranth.hdl import Shape
from amaranth.lib import wiring

from nomul.gen import register_map
from nomul.gen.spec.config import INTERFACE_VERSION, Config

__all__ = ["make_manifest", "ports_of"]


def ports_of(component: wiring.Component) -> list[dict]:
    """The Verilog ports of a component, as ``{"name", "direction", "bits"}``; clock and reset come first."""
    ports = [{"name": name, "direction": "input", "bits": 1} for name in ("clk", "rst")]
    for path, member, _ in component.signature.flatten(component):
        ports.append({"name": "__".join(map(str, path)),
                      "direction": "input" if member.flow is wiring.In else "output",
                      "bits": Shape.cast(member.shape).width})
    return ports


def make_manifest(config: Config, top: str, ports: list[dict], files: Mapping[str, str],
                  board: Mapping | None = None, fabric: str | None = None) -> str:
    """The manifest as JSON text.

    Parameters
    ----------
    config : Config
        What was generated.
    top : str
        Name of the top module.
    ports : list of dict
        The top module's ports.
    files : mapping
        Name and text of every other file.
    board : mapping, optional
        What the board's file says about the board.
    fabric : str, optional
        Whose adder cells the Verilog instantiates, where no board decides it.

    Returns
    -------
    str
        Keys: ``nomul`` (version), ``interface``, ``name``, ``config_hash``, ``config``, ``board``, ``fabric``,
        ``top``, ``ports``, ``regions``, ``registers``, ``files`` (SHA-256 and size of each).
    """
    contents = {
        "nomul": importlib.metadata.version("nomul"),
        "interface": INTERFACE_VERSION,
        "name": config.name,
        "config_hash": config.hash,
        "config": config.to_dict(),
        "board": board,
        "fabric": fabric,
        "top": top,
        "ports": ports,
        "regions": register_map.regions(config),
        "registers": register_map.registers(),
        "files": {name: {"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text.encode())}
                  for name, text in sorted(files.items())},
    }
    return json.dumps(contents, indent=2) + "\n"
