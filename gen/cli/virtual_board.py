"""`nomul virtual-board`: a simulated board behind a serial port, for other programs to use."""

import time
from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import ArgumentError
from nomul.gen.cli.screen import say, working

__all__ = ["COMMAND"]

_LEVELS = ("byte", "uart")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--board", metavar="NAME", help="the board that it is (`nomul boards` lists them)")
    parser.add_argument("--config", metavar="NAME|FILE.toml",
                        help="accelerator configuration: the name of a preset or a file (default: the board's)")
    parser.add_argument("--level", choices=_LEVELS, default=_LEVELS[0],
                        help="bytes, which is fast, or the board's serial line bit by bit (default: %(default)s)")
    parser.add_argument("--noise", type=float, default=0.0, metavar="RATE",
                        help="probability, for each byte, that a bit is flipped; the same for bytes that are lost, and "
                             "for bytes that come twice")
    parser.add_argument("--reset-after", type=int, metavar="BYTES",
                        help="the board loses its power for a moment when it has been sent so many bytes")
    parser.add_argument("--disconnect-after", type=int, metavar="BYTES",
                        help="its cable comes off when it has been sent so many bytes; this ends the command")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (default: %(default)s)")


def _run(arguments: Namespace) -> int:
    if not (arguments.board or arguments.config):
        raise ArgumentError("say which board it is by --board, or which configuration it has by --config")
    from nomul.boards import find_board
    from nomul.cosim.faults import Faults
    from nomul.cosim.virtual_board import VirtualBoard
    from nomul.gen.presets import load_config

    board = find_board(arguments.board) if arguments.board else None
    config = load_config(arguments.config or board.preset)      # type: ignore[union-attr]
    faults = Faults(flips=arguments.noise, drops=arguments.noise, doubles=arguments.noise, seed=arguments.seed,
                    reset_after=arguments.reset_after, disconnect_after=arguments.disconnect_after)
    with working(f"build the simulator of {config.name} (once for a configuration)"):
        virtual = VirtualBoard(config, arguments.level, board=board, faults=faults)
    with virtual:
        say(f"virtual board of {config.name} ({config.hash}) at {virtual.port}; Ctrl-C ends it")
        while virtual.port:
            time.sleep(0.1)
    say("the cable has come off")
    return 0


COMMAND = Command("virtual-board", "simulate a board behind a serial port until Ctrl-C",
                  ("nomul virtual-board --config demo",
                   "nomul virtual-board --board ulx3s-25f --noise 1e-4 --reset-after 20000"), _configure, _run)
