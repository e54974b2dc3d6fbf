"""`nomul compile`: from an integer network to a program and a weight stream."""

from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command, add_config, add_output
from nomul.gen.cli.files import check_input, check_output
from nomul.gen.cli.screen import say

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="file that `nomul quantize` wrote")
    add_config(parser)
    add_output(parser, "program and weight stream")


def _run(arguments: Namespace) -> int:
    source, output = check_input(arguments.network), check_output(arguments.output)
    from nomul.gen.presets import load_config
    from nomul.sw.compile import compile_network
    from nomul.sw.network import IntegerNetwork

    config = load_config(arguments.config)
    compiled = compile_network(IntegerNetwork.load(source), config)
    compiled.save(output)
    say(f"{output}: {compiled.name} for configuration {config.name} ({config.hash}), "
        f"{len(compiled.program) - 1} layers, {compiled.weight_stream_bytes} bytes of weights and parameters")
    return 0


COMMAND = Command("compile", "turn an integer network into a program for one configuration",
                  ("nomul compile adder.network --config demo -o adder.program",), _configure, _run)
