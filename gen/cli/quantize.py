"""`nomul quantize`: from a checkpoint to an integer network."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command, add_output
from nomul.gen.cli.files import check_input, check_output
from nomul.gen.cli.screen import say, working

if TYPE_CHECKING:
    from nomul.sw.checkpoint import Checkpoint
    from nomul.sw.network import IntegerNetwork

__all__ = ["COMMAND", "quantize_checkpoint"]


def quantize_checkpoint(checkpoint: "Checkpoint", output: str | Path) -> "IntegerNetwork":
    """Quantizes a trained network, calibrated on the training images, and writes the integer network."""
    from nomul.sw.convert import convert
    from nomul.sw.data import digits
    from nomul.sw.quantize import QuantizationConfig, quantize_

    with working(f"quantize {checkpoint.name}"):
        quantize_(checkpoint.model, digits().train_images, QuantizationConfig())
        network = convert(checkpoint.model, checkpoint.name)
        network.save(output)
    return network


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="file that `nomul train` wrote")
    add_output(parser, "the integer network")


def _run(arguments: Namespace) -> int:
    source, output = check_input(arguments.checkpoint), check_output(arguments.output)
    from nomul.sw.checkpoint import load_checkpoint

    network = quantize_checkpoint(load_checkpoint(source), output)
    say(f"{output}: {network.name}, {len(network.layers)} integer layers, "
        f"{network.activation_bits}-bit activations")
    return 0


COMMAND = Command("quantize", "turn a checkpoint into an integer network",
                  ("nomul quantize adder.checkpoint -o adder.network",), _configure, _run)
