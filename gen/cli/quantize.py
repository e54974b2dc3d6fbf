"""`nomul quantize`: from a checkpoint to an integer network."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command, add_output
from nomul.gen.cli.files import ArgumentError, check_input, check_output
from nomul.gen.cli.images import load_images
from nomul.gen.cli.screen import progress, say, show_table, working
from nomul.gen.spec.config import Config

if TYPE_CHECKING:
    from nomul.sw.checkpoint import Checkpoint
    from nomul.sw.network import IntegerNetwork
    from nomul.sw.quantization_config import LayerBits

__all__ = ["COMMAND", "quantize_checkpoint"]

#: Enough to choose steps by, and few enough for their tensors to fit any memory.
_CALIBRATION_IMAGES = 1500
#: Of one of a sum's powers of two: those of two terms span the hardware's eight exponents.
_TERM_BITS = 4


def quantize_checkpoint(checkpoint: "Checkpoint", output: str | Path, config: Config | None = None,
                        bits: int = 8, epochs: int = 0, terms: int | None = None,
                        layers: "Mapping[str, LayerBits] | None" = None,
                        tell: Callable[[str, str], None] = lambda name, text: None) -> "IntegerNetwork":
    """Quantizes a trained network in place, calibrated on training images, and writes the integer network.

    Parameters
    ----------
    checkpoint : Checkpoint
        The trained network.
    output : path
        The integer network.
    config : Config, optional
        The accelerator whose widths are used.
    bits : int
        Without it, the width of activations and L1 weights; there are eight exponents then.
    epochs : int
        How long it is trained on with rounding in between before.
    terms : int, optional
        Layers that multiply get weights that are sums of so many powers of two.
    layers : mapping of str to LayerBits, optional
        Layers with fewer bits than the others.
    tell : function of (pass, text)
        Called after each pass of the quantizer with what it did.

    Raises
    ------
    ArgumentError
        If layers of the network multiply by intention.
    QuantizationError
        If the hardware cannot have it.
    TrainingError
        If training diverges.
    """
    multiplies = checkpoint.recipe.kind == "conv" or checkpoint.recipe.keep_first_last
    if multiplies and terms is None:
        which = "all layers" if checkpoint.recipe.kind == "conv" else "the first and the last layer"
        raise ArgumentError(f"in {checkpoint.name}, as it was trained, {which} multiply: make their weights sums of "
                            f"two powers of two with --terms 2, or train another recipe, without --keep-first-last")
    if terms is not None and not multiplies:
        raise ArgumentError(f"--terms is for layers that multiply, and {checkpoint.name} has none; leave it out")
    from nomul.sw.convert import convert
    from nomul.sw.datasets import load_dataset
    from nomul.sw.fine_tune import fine_tuned
    from nomul.sw.pretrained import convert_
    from nomul.sw.quantize import QuantizationConfig, quantize_

    widths = QuantizationConfig(bits, l1_weight_bits=bits, layers=layers or {}) if config is None else \
        QuantizationConfig(config.activation_bits, config.shift_exponents, config.l1_weight_bits, layers or {})
    dataset, model = load_dataset(checkpoint.dataset), checkpoint.model
    images = dataset.train_images[:_CALIBRATION_IMAGES]
    if terms is not None:
        convert_(model, "power-sum", terms=terms, bits=_TERM_BITS)
    if epochs:
        with progress(f"train {checkpoint.name} with rounding, steps") as update:
            model = fine_tuned(model, images, widths, dataset, checkpoint.recipe, epochs, checkpoint.seed, update)
    with working(f"quantize {checkpoint.name}"):
        quantize_(model, images, widths, tell)
        network = replace(convert(model, checkpoint.name), metadata={
            "dataset": checkpoint.dataset, "seed": checkpoint.seed, "float_accuracy": checkpoint.result.accuracy,
            "epochs_with_rounding": epochs})
        network.save(output)
    return network


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="file that `nomul train` wrote")
    widths = parser.add_mutually_exclusive_group()
    widths.add_argument("--config", metavar="NAME|FILE.toml",
                        help="configuration whose activation and weight widths to use (default: 8 bits)")
    widths.add_argument("--bits", type=int, default=8, metavar="N",
                        help="width of activations and L1 weights, 2 to 8, without a configuration")
    parser.add_argument("--layer", action="append", default=[], metavar="NAME=A[,W]",
                        help="a layer with fewer bits than the others: of the activations that it makes, and of its L1 "
                             "weights; may be given several times")
    parser.add_argument("--epochs", type=int, default=0, metavar="N",
                        help="train on before, with rounding in between, so many passes over the training images "
                             "(default: none): for few bits")
    parser.add_argument("--terms", type=int, metavar="N",
                        help="for a network that multiplies: its weights become sums of so many powers of two, each of "
                             "which takes the time of a layer")
    add_output(parser, "the integer network")
    parser.add_argument("--verbose", action="store_true", help="print what each pass of the quantizer did")


def _layers(arguments: Sequence[str]) -> dict[str, "LayerBits"]:
    """Of ``NAME=A[,W]`` each."""
    from nomul.sw.quantization_config import LayerBits

    layers = {}
    for argument in arguments:
        name, _, widths = argument.partition("=")
        try:
            numbers = [int(width) for width in widths.split(",")]
            layers[name] = LayerBits(*numbers)
        except (ValueError, TypeError):
            raise ArgumentError(f"--layer must be NAME=A or NAME=A,W, such as block1.adder=6,5, not {argument!r}"
                                ) from None
    return layers


def _run(arguments: Namespace) -> int:
    if arguments.epochs < 0:
        raise ArgumentError(f"--epochs must be at least 0, not {arguments.epochs}")
    layers = _layers(arguments.layer)
    source, output = check_input(arguments.checkpoint), check_output(arguments.output)
    from nomul.gen.presets import load_config
    from nomul.sw import golden
    from nomul.sw.checkpoint import load_checkpoint

    config = None if arguments.config is None else load_config(arguments.config)
    checkpoint = load_checkpoint(source)
    passes: list[tuple[str, str]] = []
    network = quantize_checkpoint(checkpoint, output, config, arguments.bits, arguments.epochs, arguments.terms, layers,
                                  lambda name, text: passes.append((name, text)))
    if arguments.verbose:
        show_table(passes)
    images = load_images(checkpoint.dataset, network.input, network.activation_bits)
    with progress(f"golden model of {network.name}, images") as update:
        predictions = golden.run(network, images.codes, update).argmax(axis=1)
    say(f"{output}: {network.name}, {len(network.layers)} integer layers, "
        f"{network.activation_bits}-bit activations")
    say(f"golden model accuracy {100 * float((predictions == images.labels).mean()):.2f} % of the test images "
        f"(float {checkpoint.result.accuracy:.2f} %)")
    return 0


COMMAND = Command("quantize", "turn a checkpoint into an integer network",
                  ("nomul quantize adder.checkpoint -o adder.network",
                   "nomul quantize lenet.checkpoint --bits 4 --epochs 2 -o lenet.network",
                   "nomul quantize conv.checkpoint --terms 2 -o conv.network"), _configure, _run)
