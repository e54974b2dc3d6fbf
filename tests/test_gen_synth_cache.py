"""Results are made once, whole or not at all, and side by side."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nomul.gen.synth.cache import cache_folder, kept
from nomul.gen.synth.tools import ToolError


def test_result_is_made_once_for_a_key(tmp_path):
    made = []

    def make(folder):
        made.append(folder)
        (folder / "result").write_text("x")

    first = kept(tmp_path / "home", ["a", "b"], make)
    assert kept(tmp_path / "home", ["a", "b"], make) == first
    assert len(made) == 1
    assert (first / "result").read_text() == "x"
    assert kept(tmp_path / "home", ["a", "c"], make) != first
    assert len(list((tmp_path / "home").iterdir())) == 2


def test_two_that_make_the_same_at_once_get_one_whole_result(tmp_path):
    both = threading.Barrier(2, timeout=10)

    def make(folder):
        (folder / "first").write_text("x")
        both.wait()
        (folder / "second").write_text("x")

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: kept(tmp_path, ["key"], make), range(2))
    assert one == other
    assert {path.name for path in one.iterdir()} == {"first", "second"}
    assert list(tmp_path.iterdir()) == [one]


def test_failed_result_is_not_taken_for_one_but_its_log_stays(tmp_path):
    def fail(folder):
        (folder / "log").write_text("why")
        raise ToolError("failed")

    with pytest.raises(ToolError, match="^failed$"):
        kept(tmp_path, ["key"], fail)
    log, = tmp_path.glob("*/log")
    assert log.read_text() == "why"
    done = kept(tmp_path, ["key"], lambda folder: (folder / "result").write_text("x"))
    assert [path.name for path in done.iterdir()] == ["result"]


def test_interrupted_result_leaves_nothing(tmp_path):
    def interrupt(folder):
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, ["key"], interrupt)
    assert not list(tmp_path.iterdir())


def test_cache_that_cannot_be_written_to_is_an_error_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ToolError, match=r"^cannot keep results of tools in .*file/synth \(.*\); set NOMUL_CACHE to a "
                                        r"folder that can be written to$"):
        kept(tmp_path / "file" / "synth", ["key"], lambda folder: None)


def test_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.delenv("NOMUL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "nomul" / "synth"
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own" / "synth"
