"""`nomul compile`: from an integer network to a program and a weight stream."""

from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command, add_config, add_output
from nomul.gen.cli.files import check_input, check_output
from nomul.gen.cli.screen import say, show_table

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="file that `nomul quantize` wrote")
    add_config(parser)
    add_output(parser, "program and weight stream")
    parser.add_argument("--verbose", action="store_true", help="print what each pass of the compiler did")


def _run(arguments: Namespace) -> int:
    source, output = check_input(arguments.network), check_output(arguments.output)
    from nomul.gen.presets import load_config
    from nomul.sw.compile import compile_network
    from nomul.sw.network import IntegerNetwork

    config = load_config(arguments.config)
    passes: list[tuple[str, str]] = []
    compiled = compile_network(IntegerNetwork.load(source), config, lambda name, text: passes.append((name, text)))
    if arguments.verbose:
        show_table(passes)
    compiled.save(output)
    say(f"{output}: {compiled.name} for configuration {config.name} ({config.hash}), "
        f"{len(compiled.program) - 1} layers, {compiled.weight_stream_bytes} bytes of weights and parameters")
    return 0


COMMAND = Command("compile", "turn an integer network into a program for one configuration",
                  ("nomul compile adder.network --config demo -o adder.program",), _configure, _run)
