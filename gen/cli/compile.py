"""`nomul compile`: from an integer network to a program and a weight stream."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command, add_config, add_output
from nomul.gen.cli.files import check_input, check_output
from nomul.gen.cli.screen import say, show_table

if TYPE_CHECKING:
    from nomul.sw.compiled import CompiledNetwork

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="file that `nomul quantize` wrote")
    add_config(parser)
    add_output(parser, "program and weight stream")
    parser.add_argument("--verbose", action="store_true",
                        help="print what each pass did, and how short weights would be under a Huffman code")


def _run(arguments: Namespace) -> int:
    source, output = check_input(arguments.network), check_output(arguments.output)
    from nomul.gen.presets import load_config
    from nomul.sw.compile import compile_network
    from nomul.sw.network import IntegerNetwork

    config = load_config(arguments.config)
    passes: list[tuple[str, str]] = []
    network = IntegerNetwork.load(source)
    compiled = compile_network(network, config, lambda name, text: passes.append((name, text)))
    if arguments.verbose:
        show_table(passes)
        _show_coding(compiled)
    compiled.save(output)
    say(f"{output}: {compiled.name} for configuration {config.name} ({config.hash}), "
        f"{len(compiled.program) - 1} layers, {compiled.weight_stream_bytes} bytes of weights and parameters")
    return 0


def _show_coding(compiled: "CompiledNetwork") -> None:
    """Each array layer's bits a weight: in memory, of entropy, and in a coded stream."""
    from nomul.sw.coded_weights import code_weights

    coding = code_weights(compiled)
    weights = sum(layer.weights for layer in coding)
    rows = [(layer.name, layer.weights, layer.weight_bits, f"{layer.entropy:.2f}", f"{layer.coded_bits:.2f}")
            for layer in coding]
    if weights:
        entropy = sum(layer.weights * layer.entropy for layer in coding) / weights
        coded = sum(8 * layer.coded_bytes for layer in coding) / weights
        rows.append(("all", weights, compiled.config.weight_bits, f"{entropy:.2f}", f"{coded:.2f}"))
    show_table(rows, ("layer", "weights", "bits", "entropy", "coded bits"))


COMMAND = Command("compile", "turn an integer network into a program for one configuration",
                  ("nomul compile adder.network --config demo -o adder.program",), _configure, _run)
