"""`nomul bench network`: cycles of a known network on an array of any size, predicted or simulated."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, NamedTuple

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import check_output, write_json
from nomul.gen.cli.report import show_layers
from nomul.gen.cli.screen import say, working

if TYPE_CHECKING:
    from nomul.sw.compiled import CompiledNetwork
    from nomul.sw.network import IntegerNetwork

__all__ = ["COMMAND"]


class _Simulated(NamedTuple):
    """Cycles of an image, and what is wrong with its logits, if anything is."""

    cycles: int
    difference: str


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NAME",
                        help="resnet20, lenet, vgg-small, mlp or mobilenet, with random weights")
    parser.add_argument("--lanes", type=int, required=True, metavar="N", help="lanes, a power of two")
    parser.add_argument("--columns", type=int, required=True, metavar="M", help="columns, a power of two")
    parser.add_argument("--kind", default="adder", metavar="KIND",
                        help="kind of all layers, such as adder, shift-q, shiftadd or sign (default: %(default)s)")
    parser.add_argument("--requantizers", type=int, metavar="R",
                        help="rows of requantizers (default: the fewest of 1, 2, 4, 8 and 16 that take at most 1 %% "
                             "more cycles than the best)")
    parser.add_argument("--simulate", action="store_true",
                        help="run one image on the simulated accelerator, count its cycles and compare its logits with "
                             "the golden model's; the first time for a configuration takes a minute")
    parser.add_argument("--json", metavar="FILE", help="where to write everything")


def _run(arguments: Namespace) -> int:
    if arguments.json:
        check_output(arguments.json)
    from nomul.sw.bench_network import check_names, compile_fitting, largest_config, random_network
    from nomul.sw.report import report_compiled

    check_names(arguments.network, arguments.kind)
    largest = largest_config(arguments.network, arguments.lanes, arguments.columns, arguments.requantizers)
    with working(f"quantize and compile {arguments.network}"):
        network = random_network(arguments.network, arguments.kind)
        compiled = compile_fitting(network, largest, choose_requantizers=arguments.requantizers is None)
    result, config = report_compiled(network, compiled), compiled.config
    simulated = _simulate(network, compiled, result.cycles) if arguments.simulate else None
    cycles = simulated.cycles if simulated else result.cycles
    ideal = result.operations / (config.lanes * config.columns)
    show_layers(result)
    say(f"{arguments.network} of the kind {arguments.kind} on {config.lanes}×{config.columns} processing elements, "
        f"{config.requantizers} row{'s' * (config.requantizers > 1)} of requantizers: {cycles} cycles "
        f"{'simulated' if simulated else 'predicted'}, {ideal:.0f} ideal, utilization {100 * ideal / cycles:.1f} %")
    if arguments.json:
        write_json(arguments.json, {
            "network": arguments.network, "lanes": config.lanes, "columns": config.columns, "cycles": cycles,
            "ideal_cycles": ideal, "utilization": ideal / cycles, "predicted_cycles": result.cycles,
            "simulated": simulated is not None, "layers": [layer.to_dict() for layer in result.layers]})
        say(arguments.json)
    if simulated and simulated.difference:
        say(f"hardware and golden model differ: {simulated.difference}")
        return 1
    return 0


def _simulate(network: "IntegerNetwork", compiled: "CompiledNetwork", predicted: int) -> _Simulated:
    from nomul.cosim.link import SimulationLink
    from nomul.sw import golden
    from nomul.sw.bench_network import random_codes
    from nomul.sw.driver.board import Board

    codes = random_codes(network, 1)
    expected, = golden.run(network, codes)
    with working(f"build the simulator of {compiled.config.name} (once for a configuration)"):
        link = SimulationLink(compiled.config)
    # Beside what a link's silence usually means: the accelerator says nothing while it runs an image.
    with working(f"run {network.name}"), Board(link, timeout=1 + predicted / link.clock_hz) as board:
        board.push(compiled)
        result = board.run(codes)
    logits, = result.logits
    difference = "" if (logits == expected).all() else f"golden {expected.tolist()}, hardware {logits.tolist()}"
    return _Simulated(int(result.cycles[0]), difference)


COMMAND = Command("network", "count the cycles of a known network on an array of any size",
                  ("nomul bench network resnet20 --lanes 16 --columns 16",
                   "nomul bench network lenet --lanes 8 --columns 8 --kind shift-q --simulate --json lenet.json"),
                  _configure, _run)
