import hashlib
import json
import re
from pathlib import Path

import pytest

from nomul.gen.emit import EmitError, generate
from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import REGISTERS, Region, word_bytes
from nomul.gen.verilog import emit_verilog, module_name

from .hardware import small_config
from .simulated import Mixer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated")
    generate(small_config(name="my design 2"), folder)
    return folder


@pytest.fixture(scope="module")
def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_same_component_gives_the_same_text_without_paths():
    text = emit_verilog(Mixer(), "mixer")
    assert text == emit_verilog(Mixer(), "mixer")
    assert "module mixer(" in text
    assert ".py" not in text
    assert str(Path.cwd()) not in text


def test_same_configuration_gives_the_same_bytes(folder, tmp_path):
    paths = generate(small_config(name="my design 2"), tmp_path)
    assert paths[-1].name == "manifest.json"
    assert {path.name: path.read_bytes() for path in paths} == \
        {path.name: path.read_bytes() for path in folder.iterdir()}


def test_any_name_becomes_a_verilog_identifier():
    assert [module_name(name) for name in ("demo", "a-b c", "8x8", "", "größe")] == \
        ["demo", "a_b_c", "_8x8", "_", "gr__e"]


def test_manifest_lists_every_other_file_with_its_hash(folder, manifest):
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert set(manifest["files"]) == {"my_design_2.v", "config.toml", "registers.md", "registers.h"}
    for name, facts in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert facts == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def test_manifest_names_configuration_and_ports_as_in_the_verilog(folder, manifest):
    config = small_config(name="my design 2")
    assert Config.from_dict(manifest["config"]) == config == Config.from_toml(folder / "config.toml")
    assert (manifest["config_hash"], manifest["top"], manifest["board"]) == (config.hash, "my_design_2", None)
    ports = {port["name"]: (port["direction"], port["bits"]) for port in manifest["ports"]}
    assert ports == {
        "clk": ("input", 1), "rst": ("input", 1),
        "rx__payload": ("input", 8), "rx__valid": ("input", 1), "rx__ready": ("output", 1),
        "tx__payload": ("output", 8), "tx__valid": ("output", 1), "tx__ready": ("input", 1),
    }
    text = (folder / "my_design_2.v").read_text()
    head = re.search(r"^module my_design_2\((.*?)\);", text, re.MULTILINE | re.DOTALL)
    assert set(head[1].split(", ")) == set(ports)


def test_register_map_is_the_one_of_the_specification(folder, manifest):
    config = small_config()
    assert [row["name"] for row in manifest["registers"]] == [register.name for register in REGISTERS]
    assert {row["name"]: row["word_bytes"] for row in manifest["regions"]} == \
        {region.name: word_bytes(region, config) for region in Region}
    header, page = (folder / "registers.h").read_text(), (folder / "registers.md").read_text()
    assert f"#define NOMUL_CONFIG_HASH 0x{config.hash}ULL" in header
    for address, register in enumerate(REGISTERS):
        assert f"#define NOMUL_REGISTER_{register.name} {address}\n" in header
        assert f"| {address} | {register.name} |" in page


def test_regenerating_replaces_the_files(tmp_path):
    generate(small_config(name="x"), tmp_path)
    generate(small_config(name="x", block_pixels=4), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["config"]["block_pixels"] == 4
    assert manifest["files"]["x.v"]["sha256"] == hashlib.sha256((tmp_path / "x.v").read_bytes()).hexdigest()


def test_error_while_writing_changes_nothing(tmp_path):
    (tmp_path / "registers.h").mkdir()
    (tmp_path / "config.toml").write_text("mine")
    with pytest.raises(EmitError, match=r"registers\.h'.*a folder has that name"):
        generate(small_config(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"registers.h", "config.toml"}
    assert (tmp_path / "config.toml").read_text() == "mine"


def test_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(EmitError, match=r"cannot write generated files to '.*taken': that is a file; give a folder"):
        generate(small_config(), tmp_path / "taken")
