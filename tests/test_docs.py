"""README and docs: every command runs, every link leads somewhere, every table is true."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nomul.gen.cli import main
from nomul.gen.cli.application import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

#: Commands that no test here runs, and what does.
ELSEWHERE = {"make demo": "CI's whole-flow run, by hand", "make test": "this run"}


def blocks(language: str, pages: list[Path] = PAGES) -> list[tuple[Path, str]]:
    """Fenced blocks of a language."""
    return [(page, text) for page in pages
            for text in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.M)]


def commands(page: Path) -> list[str]:
    """Lines that a reader would type."""
    return [line[2:] for _, text in blocks("console", [page]) for line in text.splitlines() if line.startswith("$ ")]


def run(line: str) -> int:
    """Runs a `nomul` command line here."""
    program, *arguments = shlex.split(line)
    assert program == "nomul"
    return main(arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path) if path else page
        assert linked.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_tables_are_those_of_the_specification():
    result = subprocess.run([sys.executable, ROOT / "docs" / "tables.py", "--check"], capture_output=True, text=True,
                            check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_every_command_of_readme_is_run_by_someone():
    assert set(commands(ROOT / "README.md")) == set(ELSEWHERE)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert {line.removeprefix("make ") for line in ELSEWHERE} <= set(targets)


def test_every_command_is_described_and_every_described_command_exists():
    described = re.findall(r"^\| `nomul ([\w-]+)", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), re.M)
    assert set(described) == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_within_the_text_exist(page, capsys):
    for line in re.findall(r"`nomul ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
        command, *arguments = line.split()
        with pytest.raises(SystemExit, match="^0$"):
            main([command, *arguments[:command == "bench"], "--help"])      # which has commands of its own
        described = capsys.readouterr().out
        assert all(word in described for word in arguments if word.startswith("-")), f"{page.name}: nomul {line}"


@pytest.mark.cosim
def test_flow_by_hand_runs_as_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = commands(ROOT / "docs" / "cli.md")
    assert len(lines) >= 6
    for line in lines:
        assert run(line) == 0, f"{line}: {capsys.readouterr().err}"
    (page, code), = blocks("python", [ROOT / "docs" / "boards.md"])
    exec(compile(code, str(page), "exec"), {})
    assert "PushResult(name='adder'" in capsys.readouterr().out


def test_ordinary_network_runs_as_written_and_is_bit_exact(capsys):
    (page, code), = blocks("python", [ROOT / "docs" / "layers.md"])
    exec(compile(code, str(page), "exec"), {})
    same, accuracy = capsys.readouterr().out.splitlines()
    assert same == "same bits: True"
    assert float(accuracy.removeprefix("accuracy: ")) > 0.9


@pytest.mark.cosim
def test_network_of_your_own_runs_as_written_and_is_bit_exact(capsys):
    (page, code), = blocks("python", [ROOT / "README.md"])
    assert len(code.splitlines()) <= 22
    exec(compile(code, str(page), "exec"), {})
    same, accuracy = capsys.readouterr().out.splitlines()
    assert same == "same bits: True"
    assert float(accuracy.removeprefix("accuracy: ")) > 0.9
