"""`nomul build`: from a board's name to its bitstream."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from nomul.gen.cli.command import Command
from nomul.gen.cli.files import check_output, copy_file, write_json
from nomul.gen.cli.screen import say, show_table, working

if TYPE_CHECKING:
    from nomul.gen.synth.build import Build

__all__ = ["COMMAND"]


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--board", required=True, metavar="NAME", help="the board (`nomul boards` lists them)")
    parser.add_argument("--config", metavar="NAME|FILE.toml",
                        help="accelerator configuration: the name of a preset or a file (default: the board's)")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER",
                        help="where to write bitstream, design and logs")
    parser.add_argument("--json", metavar="FILE", help="where to write resources, clock rate and slowest path")


def _run(arguments: Namespace) -> int:
    from nomul.boards import BoardError, find_board
    from nomul.gen.emit import generate
    from nomul.gen.presets import load_config
    from nomul.gen.synth.build import build
    from nomul.gen.synth.estimate import expected_luts, plausible
    from nomul.gen.verilog import module_name

    board = find_board(arguments.board)
    config = load_config(arguments.config or board.preset)
    if not board.bitstream:
        raise BoardError(
            f"{board.toolchain} makes the bitstream of board {board.name}: run `nomul generate --config "
            f"{arguments.config or board.preset} --board {board.name} -o {arguments.output}`, and in that folder "
            f"`{board.vendor_command(module_name(config.name))}`")
    with working(f"generate {config.name}"):
        paths = generate(config, arguments.output, board)
    if arguments.json:      # which may be in a folder that has just been made
        check_output(arguments.json)
    top = module_name(config.name)
    files = {path.name: path.read_text(encoding="utf-8") for path in paths
             if path.name.startswith(top) or path.suffix == ".py"}
    with working(f"build {config.name} for {board.name}"):
        result = build(board, top, files, progress=lambda line: say(f"{board.name}: {line}"))
    bitstream, *logs = [copy_file(path, arguments.output)
                        for path in (result.bitstream, *sorted(result.bitstream.parent.glob("*.log")))]
    expected = expected_luts(config, board.family.name)
    used = result.resources["luts"]["used"]
    sane = plausible(used, expected)
    show_table([*_rows(result), ("expected", f"some {expected} look-up tables for this configuration")])
    if not sane:
        say(f"warning: {used} look-up tables are not of the order of the expected {expected}; compare with "
            "`nomul bench array` before you believe either")
    for path in (bitstream, *logs):
        say(str(path))
    if arguments.json:
        write_json(arguments.json, {**result.to_dict(), "config": config.name, "config_hash": config.hash,
                                    "expected_luts": expected, "plausible": sane, "bitstream": str(bitstream)})
        say(arguments.json)
    say(f"to load it: {board.programming.replace(f'TOP{bitstream.suffix}', str(bitstream))}")
    return 0


def _rows(result: "Build") -> list[tuple[str, str]]:
    from nomul.gen.synth.family import KINDS

    used = [(KINDS[kind], f"{entry['used']} of {entry['available']}") for kind, entry in result.resources.items()]
    path = " → ".join(f"{module} {delay:.1f} ns" for module, delay in result.path_modules)
    return [*used, ("clock", f"{result.constraint_mhz:g} MHz"), ("reaches", f"{result.fmax_mhz:.1f} MHz"),
            ("slowest path", path)]


COMMAND = Command("build", "make the bitstream of a board", (
    "nomul build --board ulx3s-25f --config tiny -o build/ulx3s --json build/ulx3s.json",), _configure, _run)
