"""`nomul cosim`: the golden model against simulated hardware, bit by bit."""

import re
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

import numpy as np

from nomul.cosim.differences import Difference, differing_bits
from nomul.gen.cli.command import Command, add_config
from nomul.gen.cli.files import ArgumentError, check_input, check_output, write_json
from nomul.gen.cli.images import load_images, random_codes
from nomul.gen.cli.screen import progress, say, show_table, working
from nomul.gen.synth.targets import TARGETS

if TYPE_CHECKING:
    from nomul.cosim.link import SimulationLink
    from nomul.sw.compiled import CompiledNetwork
    from nomul.sw.network import IntegerNetwork

__all__ = ["COMMAND"]

_NUMBER = re.compile(r"-?\d+")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="file that `nomul quantize` wrote")
    add_config(parser)
    parser.add_argument("--images", default="100", metavar="N|FILE.npy",
                        help="how many images: test images of the data set whose shape the network takes, if it is "
                             "there; random codes beyond those or otherwise (default: %(default)s); or a file of "
                             "images, as `nomul fuzz --keep` writes it")
    parser.add_argument("--trace-tensors", action="store_true",
                        help="compare the output of every layer, not only the logits, and name the first difference "
                             "by image, layer, channel and pixel")
    parser.add_argument("--netlist", metavar="TARGET", choices=sorted(TARGETS),
                        help="simulate what synthesis makes of the accelerator, cell by cell, for one of "
                             f"{', '.join(sorted(TARGETS))}; takes minutes for the first time")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")


def _codes(network: "IntegerNetwork", count: int) -> np.ndarray:
    from nomul.sw.data import DataError
    from nomul.sw.datasets import dataset_of_shape

    parts = []
    if dataset := dataset_of_shape(network.input.shape):
        try:
            parts.append(load_images(dataset, network.input, network.activation_bits).codes[:count])
        except DataError as error:
            say(f"random images instead of a data set's: {error}")
    parts.append(random_codes(network.input, network.activation_bits, count - sum(map(len, parts))))
    return np.concatenate(parts)


def _run(arguments: Namespace) -> int:
    source = check_input(arguments.network)
    if arguments.json:
        check_output(arguments.json)
    count = int(arguments.images) if _NUMBER.fullmatch(arguments.images) else None
    if count is not None and count < 1:
        raise ArgumentError(f"--images must be at least 1, not {count}")
    from nomul.cosim.link import SimulationLink
    from nomul.cosim.netlist import netlist_model
    from nomul.gen.presets import load_config
    from nomul.sw.compile import compile_network
    from nomul.sw.cycles import predict
    from nomul.sw.network import IntegerNetwork

    config = load_config(arguments.config)
    network = IntegerNetwork.load(source)
    codes = _codes(network, count) if count else load_images(arguments.images, network.input,
                                                             network.activation_bits).codes
    compiled = compile_network(network, config)
    form = f"the {arguments.netlist} netlist of {config.name}" if arguments.netlist else config.name
    with working(f"build the simulator of {form} (once for a configuration)"):
        link = SimulationLink(config, model=netlist_model(config, arguments.netlist) if arguments.netlist else None)
    # Beside what a link's silence usually means: the accelerator says nothing while it runs an image.
    timeout = 1 + sum(layer.total for layer in predict(compiled)) / link.clock_hz
    compare = _compare_tensors if arguments.trace_tensors else _compare_logits
    found, first = compare(link, compiled, network, codes, timeout)
    summary = {"name": network.name, "config": config.name, "images": len(codes)} | found
    show_table([(key.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else value)
                for key, value in summary.items()])
    if first:
        say(str(first))
    if arguments.json:
        place = first._asdict() if isinstance(first, Difference) else None
        extra = {"first_difference": place} if arguments.trace_tensors else {}
        write_json(arguments.json, summary | extra | {"netlist": arguments.netlist})
    return int(first is not None)


def _compare_logits(link: "SimulationLink", compiled: "CompiledNetwork", network: "IntegerNetwork", codes: np.ndarray,
                    timeout: float) -> tuple[dict[str, Any], str | None]:
    """Rows of the result, and what the first image that differs gives."""
    from nomul.sw import golden
    from nomul.sw.driver.board import Board

    expected = golden.run(network, codes)
    with Board(link, timeout=timeout) as board:
        with progress(f"push {network.name}", "bytes") as update:
            board.push(compiled, update)
        with progress(f"run {network.name}", "images") as update:
            result = board.run(codes, update)
    wrong = np.flatnonzero((expected != result.logits).any(axis=1))
    found = {"outputs": expected.size, "differing_bits": differing_bits(expected, result.logits),
             "differing_images": len(wrong), "cycles_per_image": float(np.mean(result.cycles))}
    if not len(wrong):
        return found, None
    first = wrong[0]
    return found, f"image {first}: golden {expected[first].tolist()}, hardware {result.logits[first].tolist()}"


def _compare_tensors(link: "SimulationLink", compiled: "CompiledNetwork", network: "IntegerNetwork",
                     codes: np.ndarray, timeout: float) -> tuple[dict[str, Any], Difference | None]:
    """Rows of the result, and the first difference."""
    from nomul.cosim.trace import trace_tensors

    with progress(f"run {network.name}", "images") as update:
        result = trace_tensors(link, compiled, network, codes, timeout=timeout, progress=update)
    return {"tensors": result.tensors, "values": result.values, "differing_bits": result.differing_bits,
            "differing_images": result.differing_images}, result.first


COMMAND = Command("cosim", "compare an integer network with simulated hardware bit by bit; exit code 1 if they differ",
                  ("nomul cosim adder.network --config demo --images 450",
                   "nomul cosim adder.network --config demo --trace-tensors --images 20",
                   "nomul cosim adder.network --config demo --netlist ecp5 --images 20"), _configure, _run)
