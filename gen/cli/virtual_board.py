"""`nomul virtual-board`: a simulated board behind a serial port, for other programs to use."""

import time
from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command, add_config
from nomul.gen.cli.screen import say, working

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    add_config(parser)


def _run(arguments: Namespace) -> int:
    from nomul.cosim.virtual_board import VirtualBoard
    from nomul.gen.presets import load_config

    config = load_config(arguments.config)
    with working(f"build the simulator of {config.name} (once for a configuration)"):
        virtual = VirtualBoard(config)
    with virtual:
        say(f"virtual board of {config.name} ({config.hash}) at {virtual.port}; Ctrl-C ends it")
        while True:
            time.sleep(3600)


COMMAND = Command("virtual-board", "simulate a board behind a serial port until Ctrl-C",
                  ("nomul virtual-board --config demo",), _configure, _run)
