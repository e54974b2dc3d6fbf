"""`nomul fuzz`: random networks on simulated hardware, against the golden model, until one differs."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import ArgumentError, FileError, check_output, write_array, write_json, write_text
from nomul.gen.cli.screen import progress, say, show_table

if TYPE_CHECKING:
    from nomul.cosim.fuzz import Failure
    from nomul.gen.spec.config import Config

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--networks", type=int, default=60, metavar="N",
                        help="how many random networks; they take turns on the configurations (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S",
                        help="seed of the first network; the others have those that follow (default: %(default)s)")
    parser.add_argument("--config", nargs="+", default=[], metavar="NAME|FILE.toml",
                        help="accelerator configurations: names of presets, files, or names that this command prints; "
                             "by default a few small ones that differ in everything")
    parser.add_argument("--configs", type=int, default=0, metavar="N",
                        help="besides these N random ones, random-S and those that follow; the simulator of each takes "
                             "up to a minute to build")
    parser.add_argument("--keep", metavar="FOLDER",
                        help="where to write a network that differs, shrunk, with its configuration and images")
    parser.add_argument("--json", metavar="FILE", help="where to write the result")


def _configs(arguments: Namespace) -> "dict[str, Config]":
    """Configurations by what stands for them on a command line."""
    from nomul.cosim.fuzz_configs import fixed_configs, named_config, random_config

    chosen = {name: named_config(name) for name in arguments.config} or {one.name: one for one in fixed_configs()}
    others = [random_config(arguments.seed + number) for number in range(arguments.configs)]
    return chosen | {one.name: one for one in others}


def _run(arguments: Namespace) -> int:
    for option, least in (("networks", 1), ("seed", 0), ("configs", 0)):
        if getattr(arguments, option) < least:
            raise ArgumentError(f"--{option} must be at least {least}, not {getattr(arguments, option)}")
    if arguments.json:
        check_output(arguments.json)
    if arguments.keep and not (Path(arguments.keep).is_dir() and os.access(arguments.keep, os.W_OK)):
        raise FileError(f"no folder {arguments.keep} to write into; create it first")
    from nomul.cosim.fuzz import fuzz

    configs = _configs(arguments)
    with progress("random networks") as update:
        counts, failure = fuzz(list(configs.values()), arguments.networks, arguments.seed, update)
    rows = [{"config": name, "processing elements": f"{config.lanes}×{config.columns}", **asdict(count)}
            for (name, config), count in zip(configs.items(), counts, strict=True)]
    show_table([list(row.values()) for row in rows], list(rows[0]))
    result = {"seed": arguments.seed, "networks": sum(count.networks for count in counts),
              "configurations": [row | {"hash": config.hash}
                                 for row, config in zip(rows, configs.values(), strict=True)],
              "failure": _tell(failure, configs) if failure else None}
    if failure and arguments.keep:
        _keep(failure, Path(arguments.keep))
    if not failure:
        say(f"no difference in {arguments.networks} networks, seeds {arguments.seed} to "
            f"{arguments.seed + arguments.networks - 1}")
    if arguments.json:
        write_json(arguments.json, result)
    return int(failure is not None)


def _tell(failure: "Failure", configs: "dict[str, Config]") -> dict[str, Any]:
    """Prints the failure, and gives it as JSON has it."""
    name = next(name for name, config in configs.items() if config is failure.config)
    again = f"nomul fuzz --networks 1 --seed {failure.seed} --config {name}"
    say(f"seed {failure.seed} on {name}: {failure.reason}")
    say(f"again: {again}")
    say(f"shrunk to {len(failure.codes)} image{'s' if len(failure.codes) > 1 else ''} of "
        f"{'×'.join(map(str, failure.network.input.shape))}: {failure.small_reason}")
    for row in failure.network.summary():
        say("  " + ", ".join(f"{key} {value}" for key, value in row.items()))
    return {"seed": failure.seed, "config": failure.config.to_dict(), "reason": failure.reason, "command": again,
            "small_reason": failure.small_reason, "small_layers": failure.network.summary()}


def _keep(failure: "Failure", folder: Path) -> None:
    stem = folder / f"fuzz-{failure.seed}-{failure.config.name}"
    failure.network.save(f"{stem}.network")
    write_text(f"{stem}.toml", failure.config.to_toml())
    write_array(f"{stem}.npy", failure.codes)
    say(f"{stem}.network, {stem}.toml, {stem}.npy")


COMMAND = Command("fuzz", "compare random networks on simulated hardware with the golden model; exit code 1 at the "
                          "first that differs, shrunk to a small one",
                  ("nomul fuzz", "nomul fuzz --networks 500 --seed 1000 --configs 2 --keep . --json fuzz.json",
                   "nomul fuzz --networks 1 --seed 42 --config tiny"), _configure, _run)
