import pytest

from nomul.sw.native import NativeError, load_library

SOURCE = 'extern "C" int answer() { return %d; }\n'


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path / "cache"))
    load_library.cache_clear()
    yield tmp_path / "answer.cpp"
    load_library.cache_clear()


def test_it_compiles_once_and_then_takes_the_file(source, monkeypatch):
    source.write_text(SOURCE % 42)
    assert load_library(source).answer() == 42
    built = list((source.parent / "cache").iterdir())
    assert [path.name.split("-")[0] for path in built] == ["answer"]
    load_library.cache_clear()
    before = built[0].stat().st_mtime_ns
    assert load_library(source).answer() == 42
    assert built[0].stat().st_mtime_ns == before


def test_a_changed_source_gives_another_library(source):
    source.write_text(SOURCE % 1)
    first = load_library(source)
    load_library.cache_clear()
    source.write_text(SOURCE % 2)
    assert (first.answer(), load_library(source).answer()) == (1, 2)


def test_a_changed_header_gives_another_library(source):
    source.write_text('#include "outer.hpp"\n' + SOURCE.replace("%d", "NUMBER"))
    source.with_name("outer.hpp").write_text('#include "inner.hpp"\n')
    source.with_name("inner.hpp").write_text("#define NUMBER 1\n")
    first = load_library(source)
    load_library.cache_clear()
    source.with_name("inner.hpp").write_text("#define NUMBER 2\n")
    assert (first.answer(), load_library(source).answer()) == (1, 2)


def test_a_source_that_does_not_compile_is_an_error_and_leaves_nothing(source):
    source.write_text("nonsense")
    with pytest.raises(NativeError, match=r"g\+\+ failed: "):
        load_library(source)
    assert list((source.parent / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_an_error(source, tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    source.write_text(SOURCE % 3)
    with pytest.raises(NativeError):
        load_library(source)
