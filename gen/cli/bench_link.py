"""`nomul bench link`: frames through a bad line, and how much of a good one a push uses."""

from argparse import ArgumentParser, Namespace
from typing import Any

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import ArgumentError, check_output, write_json
from nomul.gen.cli.screen import progress, say, show_table, working

__all__ = ["COMMAND"]

#: Configuration of the device behind the bad line.
_CONFIG = "tiny"


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=100_000, metavar="N",
                        help="requests through a line that damages bytes (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3, metavar="P",
                        help="probability, for each byte, of a flipped bit, of being lost and of coming twice, each "
                             "(default: %(default)s)")
    parser.add_argument("--gateware", action="store_true",
                        help="the simulated accelerator at the line's other end, instead of its model in Python")
    parser.add_argument("--board", action="append", default=[], metavar="NAME",
                        help="measure instead what of this board's serial line a push uses, on its simulated UART; "
                             "several boards: several times")
    parser.add_argument("--bytes", type=int, default=1 << 15, metavar="N",
                        help="with --board: bytes of weights to push (default: %(default)s)")
    parser.add_argument("--frame-bytes", type=int, metavar="N",
                        help="with --board: longest frame (default: the preset's)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="MS",
                        help="with --board: milliseconds until the host sees what has arrived (default: %(default)s; a "
                             "USB bridge takes 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="where to write everything")


def _run(arguments: Namespace) -> int:
    for name in ("frames", "bytes"):
        if getattr(arguments, name) < 1:
            raise ArgumentError(f"--{name} must be at least 1, not {getattr(arguments, name)}")
    if arguments.json:
        check_output(arguments.json)
    found: dict[str, Any] = {"goodput": _goodput(arguments)} if arguments.board else _noise(arguments)
    if arguments.json:
        write_json(arguments.json, found)
        say(arguments.json)
    return int(found.get("wrong", 0) > 0)


def _noise(arguments: Namespace) -> dict[str, Any]:
    from nomul.cosim.link_noise import link_noise
    from nomul.gen.presets import load_config

    config, link = load_config(_CONFIG), None
    if arguments.gateware:
        from nomul.cosim.link import SimulationLink

        with working(f"build the simulator of {config.name} (once for a configuration)"):
            link = SimulationLink(config)
    with progress("bench link", "frames") as update:
        result = link_noise(arguments.frames, arguments.rate, config, seed=arguments.seed, link=link, progress=update)
    found = {"rate": arguments.rate, "seed": arguments.seed, "gateware": arguments.gateware, **result.to_dict()}
    show_table([(key.replace("_", " "), f"{value:.0f}" if key == "seconds" else value) for key, value in found.items()])
    return found


def _goodput(arguments: Namespace) -> list[dict[str, Any]]:
    from dataclasses import asdict, replace

    from nomul.boards import find_board
    from nomul.cosim.goodput import measure_goodput
    from nomul.gen.presets import load_config

    results = []
    for board in map(find_board, arguments.board):
        with progress(f"push to {board.name}, simulated", "bytes") as update:
            config = load_config(board.preset)
            config = replace(config, frame_bytes=arguments.frame_bytes or config.frame_bytes)
            results.append(measure_goodput(board, config, arguments.bytes, latency_ms=arguments.latency,
                                           seed=arguments.seed, progress=update))
    show_table([(result.board, f"{result.baud:,}", result.divisor, result.frame_bytes, result.network_bytes,
                 result.line_bytes, f"{100 * result.share:.1f}") for result in results],
               ("board", "baud rate", "clock cycles a bit", "frame bytes", "network bytes", "bytes sent",
                "% of the line rate"))
    return [asdict(result) for result in results]


COMMAND = Command("link", "send frames through a line that damages them, or measure what of a line's rate a push uses",
                  ("nomul bench link --frames 1000000 --json link.json", "nomul bench link --board ulx3s-85f"),
                  _configure, _run)
