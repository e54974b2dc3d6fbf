"""`nomul demo`: the whole flow on real digits, from training to bit-exact simulated hardware."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import FileError, check_output, write_json
from nomul.gen.cli.screen import say, show_table, working

if TYPE_CHECKING:
    from nomul.gen.cli.flow import Report

__all__ = ["COMMAND", "NETWORKS"]

#: What the demo trains: L1 layers, power-of-two layers, both.
NETWORKS = ("adder", "shift", "shiftadd")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--folder", default="demo", metavar="FOLDER", help="where to write all files (default: demo)")
    parser.add_argument("--config", default="demo", metavar="NAME|FILE.toml",
                        help="accelerator configuration: the name of a preset or a file (default: demo)")
    parser.add_argument("--json", metavar="FILE", help="where to write the results as JSON")
    parser.add_argument("--fresh", action="store_true",
                        help="train again, even if an earlier run's checkpoints would come out the same")


def _run(arguments: Namespace) -> int:
    folder = Path(arguments.folder)
    if folder.exists() and not folder.is_dir():
        raise FileError(f"{folder} is a file; give a folder")
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.json:
        check_output(arguments.json)
    from nomul.gen.cli.flow import prepare, run_on
    from nomul.gen.cli.ports import VIRTUAL, connect
    from nomul.gen.emit import generate
    from nomul.gen.guard import multiply_cells
    from nomul.gen.presets import load_config
    from nomul.hdl.accelerator import Accelerator

    config, prepared = load_config(arguments.config), []
    for name in NETWORKS:
        prepared.append(prepare(name, folder, config, fresh=arguments.fresh))
        say(f"{name}: {'took the checkpoint of an earlier run' if prepared[-1].reused else 'trained'}, "
            f"quantized, compiled ({prepared[-1].compiled.weight_stream_bytes} bytes of weights and parameters)")
    with working("generate the accelerator"):
        files = generate(config, folder / "accelerator")
        multipliers = len(multiply_cells(Accelerator(config)))
    say(f"accelerator: {config.lanes}×{config.columns} processing elements, configuration {config.hash}, "
        f"{multipliers} multipliers")
    with connect(VIRTUAL, config) as board:
        reports = []
        for one in prepared:
            reports.append(run_on(board, one, folder))
            say(f"{reports[-1].name}: ran {reports[-1].images} images on the virtual board")
    _show(reports, [str(path) for path in files])
    if arguments.json:
        write_json(arguments.json, {"networks": [report.to_dict() for report in reports],
                                    "config": config.to_dict(), "config_hash": config.hash,
                                    "multipliers": multipliers, "files": [str(path) for path in files]})
        say(f"results: {arguments.json}")
    return int(multipliers > 0 or any(report.differing_bits for report in reports))


def _show(reports: "Sequence[Report]", accelerator: Sequence[str]) -> None:
    say()
    show_table([
        ["float accuracy, %", *(f"{report.float_accuracy:.2f}" for report in reports)],
        ["golden model accuracy, %", *(f"{report.golden_accuracy:.2f}" for report in reports)],
        ["hardware accuracy, %", *(f"{report.hardware_accuracy:.2f}" for report in reports)],
        ["test images", *(report.images for report in reports)],
        ["differing bits", *(report.differing_bits for report in reports)],
        ["cycles per image", *(f"{report.cycles_per_image:.0f}" for report in reports)],
        ["weight stream, bytes", *(report.weight_stream_bytes for report in reports)],
    ], ["network", *(report.name for report in reports)])
    say()
    for report in reports:
        say(f"{report.name}: {' '.join(report.files.values())}")
    say(f"accelerator: {' '.join(accelerator)}")


COMMAND = Command("demo", "run the whole flow: train, quantize, compile, generate, push and run three networks",
                  ("nomul demo", "nomul demo --folder demo --json demo/results.json"), _configure, _run)
