import pytest

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.opensta import find_opensta, slack


@pytest.fixture
def program(tmp_path):
    """Stands for OpenSTA: prints its script."""
    path = tmp_path / "sta"
    path.write_text('#!/bin/sh\ncat "$1"\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(("printed", "expected"), [("a\nslack 13.25\nb", 13.25), ("slack -0.5", -0.5),
                                                   ("slack 1e-05", 1e-5)])
def test_slack_is_read(program, tmp_path, printed, expected):
    (tmp_path / "x.tcl").write_text(printed)
    assert slack(program, "x.tcl", tmp_path) == expected
    assert (tmp_path / "sta.log").read_text() == printed


@pytest.mark.parametrize(("printed", "message"), [
    ("", "OpenSTA cannot time x.tcl: it printed nothing; see .*sta.log"),
    ("a\nno more", "x.tcl: no more;"),
    ("Error: x.v, line 3 syntax error\nslack 3.0", "x.tcl: Error: x.v, line 3 syntax error;")])
def test_what_is_no_slack_is_refused_with_its_reason(program, tmp_path, printed, message):
    (tmp_path / "x.tcl").write_text(printed)
    with pytest.raises(AsicError, match=message):
        slack(program, "x.tcl", tmp_path)


def test_it_is_looked_for_on_the_path(monkeypatch, program, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_opensta() == program
    monkeypatch.setenv("PATH", "/none")
    assert find_opensta() is None
