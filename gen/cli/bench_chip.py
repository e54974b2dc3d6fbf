"""`nomul bench chip`: area and clock rate of a whole accelerator on standard cells."""

import os
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import check_output, write_json
from nomul.gen.cli.screen import say, show_table, working

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--config", default="chip", metavar="NAME|FILE.toml",
                        help="accelerator configuration: the name of a preset or a file (default: %(default)s)")
    parser.add_argument("--board", default="ihp-sg13g2", metavar="NAME",
                        help="the process, as for `nomul generate` (default: %(default)s)")
    parser.add_argument("--library", default="ihp_sg13g2_typ.lib", metavar="FILE",
                        help="cell library, in the folder NOMUL_DATA (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="where to write everything")


def _run(arguments: Namespace) -> int:
    if arguments.json:
        check_output(arguments.json)
    from nomul.boards import find_chip
    from nomul.boards.sg13g2_sram import MACROS, SETUP
    from nomul.gen.asic.chip import measure_chip
    from nomul.gen.asic.library import find_library
    from nomul.gen.asic.netlist import Block
    from nomul.gen.asic.opensta import find_opensta, slack
    from nomul.gen.presets import load_config
    from nomul.gen.verilog import module_name

    chip, library, config = find_chip(arguments.board), find_library(arguments.library), load_config(arguments.config)
    top = module_name(config.name)
    with working(f"generate {config.name}"):
        _, files = chip.emit(config, top)
    with working(f"synthesize {config.name}"):
        result = measure_chip(files, top, library, progress=say, blocks={
            name: Block(macro.width * macro.height, macro.access, SETUP) for name, macro in MACROS.items()})
    values = {"config": config.name, "config_hash": config.hash, "board": chip.name,
              "constraint_mhz": chip.clock_hz / 1e6, **result.to_dict(), "opensta_slack_ns": None}
    program, checked, missing = find_opensta(), "not installed", _copy_libraries(files, result.folder)
    if program and missing:
        checked = f"needs {missing} in the folder NOMUL_DATA"
    elif program:
        with working("time the netlist with OpenSTA"):
            values["opensta_slack_ns"] = slack(program, f"{top}.sta.tcl", result.folder)
        checked = f"{values['opensta_slack_ns']:.2f} ns to spare, with clock uncertainty and delays outside"
    macros = [("macros", f"{result.blocks}, {result.block_area_um2:,.0f} µm² besides the cells")]
    begin, end = (result.path[place][0] for place in (0, -1)) if result.path else ("nowhere", "nowhere")
    show_table([
        ("library", result.library), ("area", f"{result.area_um2:,.0f} µm²"),
        ("gate equivalents", f"{result.gate_equivalents:,.0f}"), ("cells", f"{result.cells:,}"),
        ("flip-flops", f"{result.flip_flops:,}, {100 * result.flip_flop_area_um2 / result.area_um2:.0f} % of the area"),
        *(macros if result.blocks else []),
        ("clock", f"{chip.clock_hz / 1e6:g} MHz"),
        ("reaches", f"{1e3 / result.delay_ns:.1f} MHz, {result.delay_ns:.2f} ns"),
        ("slowest path", f"from {begin} to {end}"), ("OpenSTA", checked)])
    say(str(Path(result.folder) / f"{top}.netlist.v"))
    if arguments.json:
        write_json(arguments.json, values)
        say(arguments.json)
    return 0


def _copy_libraries(files: Mapping[str, str], folder: Path) -> str | None:
    """Brings the Liberty files of macros to where OpenSTA runs; the name of one that is not there."""
    from nomul.boards.sg13g2_sram import MACROS

    for macro in MACROS:
        if macro in files.get("macros.v", ""):
            name = f"{macro}_typ_1p20V_25C.lib"
            source = Path(os.environ.get("NOMUL_DATA", ""), name)
            if not source.is_file():
                return name
            shutil.copyfile(source, folder / f"{macro}.lib")
    return None


COMMAND = Command("chip", "measure area and clock rate of an accelerator on a chip of standard cells",
                  ("nomul bench chip", "nomul bench chip --config chip --json chip.json"), _configure, _run)
