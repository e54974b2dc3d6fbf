"""From a configuration to files. The same input gives the same bytes."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from nomul.gen import register_map
from nomul.gen.manifest import make_manifest, ports_of
from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.gen.verilog import emit_verilog, module_name
from nomul.hdl.accelerator import Accelerator
from nomul.hdl.fabric import FABRICS, FabricPlatform

__all__ = ["EmitError", "Target", "emit_verilog", "generate"]


class EmitError(NomulError):
    """Generated files that cannot be written."""


class Target(Protocol):
    """What `generate` asks of a board (see `nomul.boards.base.Board`)."""

    def describe(self) -> dict:
        """Facts for the manifest."""

    def emit(self, config: Config, top: str) -> tuple[list[dict], dict[str, str]]:
        """The top module's ports, and every file of the design."""


def generate(config: Config, folder: str | Path, board: Target | None = None, fabric: str = "generic") -> list[Path]:
    """Writes an accelerator's files into `folder`.

    Without a board: ``<name>.v`` whose ports are the byte streams of the link. With a board: the design
    with its pins, constraints, and a build script. Always: ``config.toml``, ``registers.md``,
    ``registers.h`` and ``manifest.json``, which lists the others with their hashes.

    Parameters
    ----------
    config : Config
        The accelerator.
    folder : str or Path
        Where to.
    board : Target, optional
        A board, whose device chooses the adder cells.
    fabric : str
        Without a board: the key of `nomul.hdl.fabric.FABRICS` whose adder cells the Verilog instantiates.

    Returns
    -------
    list of Path
        The files; the manifest, which is written last, is the last one.

    Raises
    ------
    EmitError
        For an unknown fabric, or if the folder cannot be written; files that it holds stay as they are.
    """
    top = module_name(config.name)
    if fabric not in FABRICS:
        raise EmitError(f"unknown fabric {fabric!r}; known are {', '.join(FABRICS)}")
    if board is None:
        accelerator = Accelerator(config)
        ports = ports_of(accelerator)
        files = {f"{top}.v": emit_verilog(accelerator, top, FabricPlatform(fabric))}
    else:
        ports, files = board.emit(config, top)
    files |= {"config.toml": config.to_toml(), "registers.md": register_map.page(config),
              "registers.h": register_map.header(config)}
    description = board.describe() if board is not None else None
    manifest = make_manifest(config, top, ports, files, description, fabric if board is None else None)
    return _write(Path(folder), {**files, "manifest.json": manifest})


def _write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Writes every file beside its place first, so that an error (a full disk, say) changes nothing."""
    if folder.is_file():
        raise EmitError(f"cannot write generated files to {str(folder)!r}: that is a file; give a folder")
    work = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".generate-", dir=folder))
        for name, text in files.items():
            (work / name).write_text(text, encoding="utf-8", newline="\n")
            if name.endswith(".sh"):
                (work / name).chmod(0o755)
        if taken := [name for name in files if (folder / name).is_dir()]:
            raise EmitError(f"cannot write {str(folder / taken[0])!r}: a folder has that name")
        for name in files:
            os.replace(work / name, folder / name)
    except OSError as error:
        raise EmitError(f"cannot write generated files to {str(folder)!r}: {error.strerror}") from None
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
    return [folder / name for name in files]
