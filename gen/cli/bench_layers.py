"""`nomul bench layers`: the training layers against ordinary convolutions."""

from argparse import ArgumentParser, Namespace

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import ArgumentError, check_output, write_json
from nomul.gen.cli.screen import progress, say, show_table

__all__ = ["COMMAND"]

_BATCH = 32
_REPEATS, _QUICK_REPEATS = 200, 5


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="where to write the rows")
    parser.add_argument("--quick", action="store_true",
                        help=f"{_QUICK_REPEATS} repeats instead of {_REPEATS}: seconds, and less certain")
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="threads of every layer (default: %(default)s, as in training)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                        help="where the layers run (default: %(default)s)")


def _run(arguments: Namespace) -> int:
    if arguments.threads < 1:
        raise ArgumentError(f"--threads must be at least 1, not {arguments.threads}")
    if arguments.json:
        check_output(arguments.json)
    from nomul.sw.bench_layers import bench_layers, check_device

    check_device(arguments.device)
    with progress("bench layers, shapes") as update:
        rows = bench_layers(_BATCH, _QUICK_REPEATS if arguments.quick else _REPEATS, arguments.threads, update,
                            arguments.device)
    show_table([(row.network, row.shape, row.layer, f"{row.forward_ms:.2f}", f"{row.backward_ms:.2f}",
                 f"{row.conv_ms:.2f}", f"{row.ratio_to_conv:.2f}") for row in rows],
               ("network", "shape", "layer", "forward, ms", "backward, ms", "conv, ms", "ratio to conv"))
    say(f"{arguments.device}, batch {_BATCH}, threads {arguments.threads}; "
        "conv is nn.Conv2d, forward and backward together")
    if arguments.json:
        write_json(arguments.json, {"rows": [row.to_dict() for row in rows]})
        say(arguments.json)
    return 0


COMMAND = Command("layers", "measure the training layers against ordinary convolutions on this machine",
                  ("nomul bench layers", "nomul bench layers --quick --json layers.json"), _configure, _run)
