"""`nomul report`: what a network costs on an accelerator, before there is one."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nomul.gen.cli.command import Command, add_config
from nomul.gen.cli.files import ArgumentError, check_input, check_output, write_text
from nomul.gen.cli.screen import say, show_table

if TYPE_CHECKING:
    from nomul.sw.report import LayerReport, Report

__all__ = ["COMMAND", "show_layers"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("network", metavar="NETWORK", help="file that `nomul quantize` wrote")
    add_config(parser)
    parser.add_argument("--clock", type=float, metavar="MHZ", help="clock rate, for the images of a second")
    parser.add_argument("--json", metavar="FILE", help="where to write everything")
    parser.add_argument("--html", metavar="FILE", help="where to write a page with plots, for a browser")


def _run(arguments: Namespace) -> int:
    if arguments.clock is not None and not arguments.clock > 0:
        raise ArgumentError(f"--clock must be greater than 0, not {arguments.clock:g}")
    source = check_input(arguments.network)
    for output in filter(None, (arguments.json, arguments.html)):
        check_output(output)
    from nomul.gen.presets import load_config
    from nomul.sw.compile import compile_network
    from nomul.sw.energy_estimate import MULTIPLIER, array_energy, estimate
    from nomul.sw.network import IntegerNetwork
    from nomul.sw.report import report_compiled
    from nomul.sw.report_page import report_page

    config, network = load_config(arguments.config), IntegerNetwork.load(source)
    compiled = compile_network(network, config)
    result = report_compiled(network, compiled)
    energies = [estimate(layer, config) for layer in result.layers]
    show_layers(result, [energy.total for energy in energies])
    say(f"{result.network} on {config.name}, {config.lanes}×{config.columns} processing elements: {result.cycles} "
        f"cycles an image for {result.operations} operations, utilization {100 * result.utilization:.1f} %")
    say(f"weights: {_kilobytes(result.total('weight_bits'))}, {_kilobytes(result.total('entropy_bits'))} by their "
        f"entropy, {_kilobytes(result.total('coded_bits'))} in a Huffman code"
        + (f"; {_kilobytes(result.streamed_bits)} are sent for each image, in time for these cycles if the "
           "link is fast enough" if result.streamed_bits else ""))
    total = sum(energy.total for energy in energies)
    say(f"energy: {total / 1e6:.2f} µJ an image, estimated from published unit costs")
    arrays = [array_energy(layer, config) for layer in result.layers if layer.operations]
    measured = [energy for energy in arrays if energy is not None]
    if len(measured) == len(arrays):
        say(f"energy of the array alone on a chip of 130 nm, measured on its netlist: {sum(measured) / 1e6:.2f} µJ; "
            f"with multipliers {result.operations * MULTIPLIER / 1e6:.2f} µJ")
    if arguments.clock is not None:
        say(f"{1e6 * arguments.clock / result.cycles:.1f} images a second at {arguments.clock:g} MHz")
    if arguments.json:
        content = result.to_dict()
        for layer, row, energy in zip(result.layers, content["layers"], energies, strict=True):
            row["energy_pj"] = {**vars(energy), "total": energy.total, "array_130nm": array_energy(layer, config)}
        write_text(arguments.json, json.dumps(content, indent=1) + "\n")
        say(arguments.json)
    if arguments.html:
        write_text(arguments.html, report_page(network, compiled, arguments.clock))
        say(arguments.html)
    return 0


def _kilobytes(bits: int) -> str:
    return f"{bits / 8192:.1f} KiB"


def show_layers(result: "Report", picojoules: Sequence[float] = ()) -> None:
    """Prints a row for each layer, with its energy if that is given."""
    rows = [_row(layer) for layer in result.layers]
    for row, energy in zip(rows, picojoules, strict=False):
        row["energy, nJ"] = f"{energy / 1e3:.2f}"
    show_table([list(row.values()) for row in rows], list(rows[0]))


def _row(layer: "LayerReport") -> dict[str, Any]:
    cycles = layer.cycles
    return {"layer": layer.name, "kind": layer.kind, "output": layer.output, "operations": layer.operations,
            "cycles": cycles.total, "busy": cycles.busy, "weights": cycles.weights,
            "accumulators": cycles.accumulators, "drain": cycles.drain, "fetch": cycles.fetch,
            "utilization, %": f"{100 * layer.utilization:.1f}" if layer.operations else "",
            "weight bits": layer.weight_bits, "entropy": layer.entropy_bits, "coded": layer.coded_bits,
            "weight bits read": layer.weight_bits_read,
            "bits read": layer.bits_read, "bits written": layer.bits_written}


COMMAND = Command("report", "predict cycles, use of the array and memory traffic of a network, layer by layer",
                  ("nomul report adder.network --config demo",
                   "nomul report lenet.network --config mnist --clock 100 --json report.json --html report.html"),
                  _configure, _run)
