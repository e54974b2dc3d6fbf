"""Standard-cell libraries: which nomul knows, where they are found, and what is read from them."""

import gzip
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nomul.gen.asic.cell_reader import read_cells
from nomul.gen.asic.cells import Cell
from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.liberty import parse

__all__ = ["LIBRARIES", "Library", "find_library", "read_library"]

#: Where each library that nomul knows comes from, by the name of its file.
LIBRARIES = {
    "ihp_sg13g2_typ.lib": "ihp-sg13g2/libs.ref/sg13g2_stdcell/lib/sg13g2_stdcell_typ_1p20V_25C.lib "
                          "from github.com/IHP-GmbH/IHP-Open-PDK",
    "osu018_stdcells.lib": "osu018_stdcells.lib from Debian's package qflow-tech-osu018",
}


@dataclass(frozen=True)
class Library:
    """A cell library as read from a file: supply voltage in V, and its cells by name."""

    name: str
    path: Path
    voltage: float
    cells: dict[str, Cell]

    def text(self) -> str:
        """The Liberty file, unpacked."""
        return _text(self.path)


def find_library(file: str = "ihp_sg13g2_typ.lib") -> Library:
    """A library from the folder that the environment variable `NOMUL_DATA` names, plain or packed (`.gz`).

    Parameters
    ----------
    file : str
        Name of its Liberty file there; `LIBRARIES` lists those that are known to be free.

    Raises
    ------
    AsicError
        If it isn't there; says what to download, and where to put it.
    """
    folder = os.environ.get("NOMUL_DATA")
    if not folder:
        raise AsicError(f"no cell library: the environment variable NOMUL_DATA, which names the folder of data, is not "
                        f"set; save {LIBRARIES.get(file, file)} as {file} into a folder and set NOMUL_DATA to it")
    for path in (Path(folder, file), Path(folder, f"{file}.gz")):
        if path.exists():
            return read_library(path)
    raise AsicError(f"no cell library: {folder}, which NOMUL_DATA names, holds neither {file} nor {file}.gz; "
                    f"save {LIBRARIES.get(file, file)} there under that name")


@cache
def read_library(path: Path) -> Library:
    """A library from its Liberty file (`.lib`, or packed as `.lib.gz`); read once a process.

    Raises
    ------
    AsicError
        If the file isn't Liberty.
    OSError
        If it can't be read.
    """
    group = parse(_text(path), path.name)
    return Library(group.arguments[0], path, group.number("nom_voltage"), read_cells(group, path.name))


def _text(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("latin-1")
