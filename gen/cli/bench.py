"""`nomul bench`: measurements that anyone can repeat."""

import argparse
from argparse import ArgumentParser, Namespace

from nomul.gen.cli import bench_array, bench_chip, bench_layers, bench_link, bench_network
from nomul.gen.cli.command import Command

__all__ = ["COMMAND"]

_BENCHMARKS = (bench_array.COMMAND, bench_chip.COMMAND, bench_layers.COMMAND, bench_link.COMMAND, bench_network.COMMAND)


def _configure(parser: ArgumentParser) -> None:
    benchmarks = parser.add_subparsers(title="benchmarks", metavar="WHAT", required=True)
    for command in _BENCHMARKS:
        examples = "".join(f"  {line}\n" for line in command.examples)
        sub = benchmarks.add_parser(command.name, help=command.summary, description=command.summary + ".",
                                    epilog=f"examples:\n{examples}",
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
        command.configure(sub)
        sub.set_defaults(bench=command.run)


def _run(arguments: Namespace) -> int:
    return arguments.bench(arguments)


COMMAND = Command("bench", "measure processing arrays on real fabrics, a chip's area, training layers on this machine, "
                           "cycles of networks, or the link",
                  ("nomul bench array --target ecp5", "nomul bench layers --quick",
                   "nomul bench network resnet20 --lanes 16 --columns 16"), _configure, _run)
