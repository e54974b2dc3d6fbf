from concurrent.futures import ThreadPoolExecutor

import pytest

from nomul.cosim import verilog_cache
from nomul.cosim.verilog_cache import cached_verilog, source_hash
from nomul.gen.verilog import emit_verilog
from nomul.hdl.subarray import SubArray

from .hardware import small_config


class Designs:
    """Small arrays, and how many of them have been made."""

    def __init__(self, folder):
        self.folder, self.made = folder, 0

    def component(self, columns):
        self.made += 1
        return SubArray(small_config(columns=columns), "l1")

    def verilog(self, columns=2, top="top", fabric=None):
        return cached_verilog(lambda: self.component(columns), f"SubArray {columns}", top, fabric)

    def files(self):
        return sorted((self.folder / "verilog").iterdir())


@pytest.fixture
def designs(tmp_path, monkeypatch):
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path))
    source_hash.cache_clear()
    yield Designs(tmp_path)
    source_hash.cache_clear()


def test_a_design_is_made_once_and_then_read(designs):
    expected = emit_verilog(designs.component(2), "top")
    assert [designs.verilog(), designs.verilog()] == [expected, expected]
    assert designs.made == 2
    assert len(designs.files()) == 1


def test_parameters_name_and_fabric_are_designs_of_their_own(designs):
    texts = [designs.verilog(), designs.verilog(4), designs.verilog(top="other"), designs.verilog(fabric="ecp5")]
    assert len(set(texts)) == designs.made == len(designs.files()) == 4


@pytest.mark.parametrize("damage", [
    lambda text: text[:-100], lambda text: "", lambda text: text.replace("assign", "wire", 1),
    lambda text: text.partition("\n")[2]], ids=["truncated", "empty", "changed", "no hash"])
def test_a_damaged_file_is_made_again(designs, damage):
    expected, [file] = designs.verilog(), designs.files()
    whole = file.read_text()
    file.write_text(damage(whole))
    assert damage(whole) != whole
    assert designs.verilog() == expected
    assert (designs.made, file.read_text()) == (2, whole)


@pytest.mark.parametrize("package", ["hdl", "spec", "boards"])
def test_a_changed_source_file_changes_the_key(designs, package, tmp_path, monkeypatch):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "block.py").write_text("WIDTH = 8\n")
    before = source_hash()
    monkeypatch.setattr(getattr(verilog_cache, package), "__path__", [str(tmp_path / "copy")])
    hashes = {before}
    for text in ("WIDTH = 8\n", "WIDTH = 9\n"):
        (tmp_path / "copy" / "block.py").write_text(text)
        source_hash.cache_clear()
        hashes.add(source_hash())
    assert len(hashes) == 3


def test_another_version_of_a_tool_changes_the_key(designs, monkeypatch):
    before = source_hash()
    source_hash.cache_clear()
    monkeypatch.setattr(verilog_cache.metadata, "version", lambda tool: "0.0")
    assert source_hash() != before


def test_several_at_once_leave_one_whole_file(designs):
    with ThreadPoolExecutor(4) as pool:
        texts = set(pool.map(lambda _: designs.verilog(), range(4)))
    assert texts == {emit_verilog(designs.component(2), "top")}
    assert len(designs.files()) == 1
