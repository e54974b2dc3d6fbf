"""`nomul bench`: measurements that anyone can repeat."""

import argparse
from argparse import ArgumentParser, Namespace

from nomul.gen.cli import bench_array, bench_layers
from nomul.gen.cli.command import Command

__all__ = ["COMMAND"]

_BENCHMARKS = (bench_array.COMMAND, bench_layers.COMMAND)


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


COMMAND = Command("bench", "measure processing arrays on real fabrics, or training layers on this machine",
                  ("nomul bench array --target ecp5", "nomul bench layers --quick"), _configure, _run)
