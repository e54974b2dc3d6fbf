"""`nomul run`: images through a board."""

from argparse import ArgumentParser, Namespace

import numpy as np

from nomul.gen.cli.command import Command, add_output, add_port
from nomul.gen.cli.files import ArgumentError, check_input, check_output, write_array, write_json
from nomul.gen.cli.images import DATASET_NAMES, DIGITS, load_images
from nomul.gen.cli.screen import progress, say, show_table

__all__ = ["COMMAND", "best_classes"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("program", metavar="PROGRAM", help="file that `nomul compile` wrote, pushed before "
                                                           "(a virtual board is pushed to first)")
    add_port(parser)
    parser.add_argument("--images", default=DIGITS, metavar="|".join(("FILE.npy", *DATASET_NAMES)),
                        help="images (number, channels, height, width): uint8 codes or real values as floats; or the "
                             "test images of a data set (default: %(default)s)")
    parser.add_argument("--top", type=int, metavar="K", help="print the K best classes of every image, with their "
                                                             "logits")
    add_output(parser, "the logits (.npy, int16, one row an image)", required=False)
    parser.add_argument("--json", metavar="FILE", help="where to write the summary and the predictions")


def _run(arguments: Namespace) -> int:
    source = check_input(arguments.program)
    outputs = [check_output(path) for path in (arguments.output, arguments.json) if path]
    from nomul.gen.cli.ports import VIRTUAL, connect
    from nomul.sw.compiled import CompiledNetwork

    compiled = CompiledNetwork.load(source)
    if arguments.top is not None and not 1 <= arguments.top <= compiled.classes:
        raise ArgumentError(f"--top must be from 1 to the {compiled.classes} classes of {compiled.name}, "
                            f"not {arguments.top}")
    images = load_images(arguments.images, compiled.input, compiled.config.activation_bits)
    with connect(arguments.port, compiled.config, baud=arguments.baud) as board:
        if arguments.port == VIRTUAL:
            board.push(compiled)
        else:
            board.use(compiled)
        with progress(f"run {compiled.name}, images") as update:
            result = board.run(images.codes, update)
        spent = board.cycles()
    summary = {"name": compiled.name, "network_hash": compiled.network_hash, "images": len(images.codes),
               "cycles_per_image": float(np.mean(result.cycles)),
               **{f"{what}_cycles": cycles for what, cycles in spent.items() if what != "total"}}
    if images.labels is not None:
        summary["accuracy"] = 100 * float(np.mean(result.top == images.labels))
    if arguments.top is not None:
        show_table([(image, *(f"{label}: {logits[label]}" for label in best_classes(logits, arguments.top)))
                    for image, logits in enumerate(result.logits)],
                   ("image", *(f"best {place}" for place in range(1, arguments.top + 1))))
        say()
    show_table([(key.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else value)
                for key, value in summary.items()])
    if arguments.output:
        write_array(arguments.output, result.logits)
    if arguments.json:
        write_json(arguments.json, {**summary, "predictions": result.top.tolist()})
    for path in outputs:
        say(str(path))
    return 0


def best_classes(logits: np.ndarray, count: int) -> list[int]:
    """The indices of the `count` largest logits, the largest first; of equal ones the lowest, as in the hardware."""
    order: list[int] = np.argsort(-logits.astype(np.int64), kind="stable")[:count].tolist()
    return order


COMMAND = Command("run", "run images through the network that a board holds",
                  ("nomul run adder.program --port /dev/ttyUSB0 -o logits.npy",
                   "nomul run adder.program --port virtual --images digits --top 3"), _configure, _run)
