"""`nomul quantize`: from a checkpoint to an integer network."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command, add_output
from nomul.gen.cli.files import check_input, check_output
from nomul.gen.cli.screen import say, working
from nomul.gen.spec.config import Config

if TYPE_CHECKING:
    from nomul.sw.checkpoint import Checkpoint
    from nomul.sw.network import IntegerNetwork

__all__ = ["COMMAND", "quantize_checkpoint"]


def quantize_checkpoint(checkpoint: "Checkpoint", output: str | Path, config: Config | None = None) -> "IntegerNetwork":
    """Quantizes a trained network in place, calibrated on the training images, and writes the integer network.

    Parameters
    ----------
    checkpoint : Checkpoint
        The trained network.
    output : path
        The integer network.
    config : Config, optional
        The accelerator whose widths are used; 8 bits by default.
    """
    from nomul.sw.convert import convert
    from nomul.sw.data import digits
    from nomul.sw.quantize import QuantizationConfig, quantize_

    widths = QuantizationConfig() if config is None else \
        QuantizationConfig(config.activation_bits, config.shift_exponents, config.l1_weight_bits)
    with working(f"quantize {checkpoint.name}"):
        quantize_(checkpoint.model, digits().train_images, widths)
        network = replace(convert(checkpoint.model, checkpoint.name), metadata={
            "dataset": checkpoint.dataset, "seed": checkpoint.seed, "float_accuracy": checkpoint.result.accuracy})
        network.save(output)
    return network


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="file that `nomul train` wrote")
    parser.add_argument("--config", metavar="NAME|FILE.toml",
                        help="configuration whose activation and weight widths to use (default: 8 bits)")
    add_output(parser, "the integer network")


def _run(arguments: Namespace) -> int:
    source, output = check_input(arguments.checkpoint), check_output(arguments.output)
    from nomul.gen.presets import load_config
    from nomul.sw.checkpoint import load_checkpoint

    config = None if arguments.config is None else load_config(arguments.config)
    network = quantize_checkpoint(load_checkpoint(source), output, config)
    say(f"{output}: {network.name}, {len(network.layers)} integer layers, "
        f"{network.activation_bits}-bit activations")
    return 0


COMMAND = Command("quantize", "turn a checkpoint into an integer network",
                  ("nomul quantize adder.checkpoint -o adder.network",), _configure, _run)
