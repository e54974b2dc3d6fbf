"""`nomul push`: program and weights to a board."""

from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command, add_port
from nomul.gen.cli.files import check_input
from nomul.gen.cli.screen import progress, say

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("program", metavar="PROGRAM", help="file that `nomul compile` wrote")
    add_port(parser)


def _run(arguments: Namespace) -> int:
    source = check_input(arguments.program)
    from nomul.gen.cli.ports import connect
    from nomul.sw.compiled import CompiledNetwork

    compiled = CompiledNetwork.load(source)
    with connect(arguments.port, compiled.config, baud=arguments.baud) as board, \
            progress(f"push {compiled.name}, bytes") as update:
        board.push(compiled, update)
    say(f"{arguments.port}: {compiled.name} loaded and verified by checksum, "
        f"{compiled.weight_stream_bytes} bytes of weights and parameters")
    return 0


COMMAND = Command("push", "load a program and its weights onto a board",
                  ("nomul push adder.program --port /dev/ttyUSB0", "nomul push adder.program --port virtual"),
                  _configure, _run)
