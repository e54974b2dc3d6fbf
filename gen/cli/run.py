"""`nomul run`: images through a board."""

import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

import numpy as np

from nomul.gen.cli.command import Command, add_board_config, add_output, add_port
from nomul.gen.cli.files import ArgumentError, check_input, check_output, write_array, write_json
from nomul.gen.cli.images import DATASET_NAMES, DIGITS, join_images
from nomul.gen.cli.screen import progress, say, show_table

if TYPE_CHECKING:
    from nomul.sw.driver.records import RunResult

__all__ = ["COMMAND", "best_classes"]

#: The class of each image is shown without being asked for, if there are no labels and so few images.
_FEW = 20


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="program or network, pushed before (a virtual board is pushed "
                                                       "to first)")
    kinds = "|".join(("FILE.npy", "FILE.png", *DATASET_NAMES))
    parser.add_argument("images", nargs="*", metavar="IMAGES",
                        help=f"{kinds}: arrays (number, channels, height, width) of uint8 codes or of real values as "
                             f"floats, pictures, or the test images of a data set (default: {DIGITS})")
    parser.add_argument("--images", dest="more_images", action="append", default=[], metavar="IMAGES",
                        help="the same as an option")
    add_port(parser, several=True)
    add_board_config(parser)
    parser.add_argument("--top", type=int, metavar="K", help="print the K best classes of every image, with their "
                                                             "logits")
    add_output(parser, "the logits (.npy, int16, one row an image)", required=False)
    parser.add_argument("--json", metavar="FILE", help="where to write the summary and the predictions")


def _run(arguments: Namespace) -> int:
    source = check_input(arguments.model)
    outputs = [check_output(path) for path in (arguments.output, arguments.json) if path]
    from nomul.gen.cli.ports import connect_all, is_virtual
    from nomul.sw.driver.models import load_model

    model = load_model(source)
    if arguments.top is not None and not 1 <= arguments.top <= model.classes:
        raise ArgumentError(f"--top must be from 1 to the {model.classes} classes of {model.name}, "
                            f"not {arguments.top}")
    images, names = join_images([*arguments.images, *arguments.more_images] or [DIGITS], model.input,
                                model.activation_bits)
    with connect_all(arguments.port, model, arguments.config, baud=arguments.baud) as boards:
        for port, board in zip(arguments.port, boards.boards, strict=True):
            if is_virtual(port):
                board.push(model)
            else:
                board.use(model)
        begin = time.perf_counter()
        with progress(f"run {model.name}", "images") as update:
            result = boards.run(images.codes, update)
        seconds = time.perf_counter() - begin
        spent, pushed = boards.cycles(), boards.boards[0].pushed()
        rates = [board.rates(result) for board in boards.boards]
    summary = {"name": model.name, "network_hash": pushed.network_hash, "images": len(images.codes),
               "cycles_per_image": float(np.mean(result.cycles)),
               **{f"{what}_cycles": cycles for what, cycles in spent.items() if what != "total"}}
    if all(rates):      # simulated boards, for which the clock on the wall says nothing
        for what in rates[0]:
            summary[f"images_per_second_{what}"] = sum(rate.get(what, 0.0) for rate in rates)
    elif not any(map(is_virtual, arguments.port)):
        summary["images_per_second"] = len(images.codes) / seconds
    if images.labels is not None:
        summary["accuracy"] = 100 * float(np.mean(result.top == images.labels))
    _show_classes(result, names, arguments.top or int(images.labels is None and len(names) <= _FEW))
    show_table([(key.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else value)
                for key, value in summary.items()])
    if arguments.output:
        write_array(arguments.output, result.logits)
    if arguments.json:
        write_json(arguments.json, {**summary, "predictions": result.top.tolist()})
    for path in outputs:
        say(str(path))
    return 0


def _show_classes(result: "RunResult", names: list[str], count: int) -> None:
    """The best classes of each image, the best first."""
    if not count:
        return
    show_table([(name, *(f"{label}: {logits[label]}" for label in best_classes(logits, count)))
                for name, logits in zip(names, result.logits, strict=True)],
               ("image", *(f"best {place}" for place in range(1, count + 1))))
    say()


def best_classes(logits: np.ndarray, count: int) -> list[int]:
    """The indices of the `count` largest logits, the largest first; of equal ones the lowest, as in the hardware."""
    order: list[int] = np.argsort(-logits.astype(np.int64), kind="stable")[:count].tolist()
    return order


COMMAND = Command("run", "run images through the network that a board holds",
                  ("nomul run adder.program --port /dev/ttyUSB0 -o logits.npy",
                   "nomul run adder.network seven.png two.png --port /dev/ttyUSB0",
                   "nomul run adder.program digits --port virtual --top 3"), _configure, _run)
