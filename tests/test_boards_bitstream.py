"""A board's bitstream by the command that people use. Takes a minute or two for the first time; the result is kept."""

import json

from nomul.boards import find_board
from nomul.gen.cli import main
from nomul.gen.spec.config import Config

#: As small as it gets: 4 processing elements for L1 layers of 4 bits.
CONFIG = Config(name="bench", lanes=2, columns=2, operators=("l1",), activation_bits=4, l1_weight_bits=4,
                accumulator_bits=12, vector_bits=12, block_pixels=16, program_layers=8, weight_words=512,
                parameter_words=32, activation_words=256, image_bytes=128, result_words=16, frame_bytes=64)


def test_bitstream_of_the_hx8k_board(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bench.toml").write_text(CONFIG.to_toml())
    assert main(["build", "--board", "hx8k-evn", "--config", "bench.toml", "-o", "out", "--json", "build.json"]) == 0
    board = find_board("hx8k-evn")
    written = json.loads((tmp_path / "build.json").read_text())
    bitstream = (tmp_path / written["bitstream"]).read_bytes()
    assert bitstream[:8] == b"\xff\x00\x00\xff\x7e\xaa\x99\x7e"
    assert (written["board"], written["config"], written["config_hash"]) == ("hx8k-evn", "bench", CONFIG.hash)
    assert written["constraint_mhz"] == board.clock_hz / 1e6
    assert written["fmax_mhz"] > 1.2 * written["constraint_mhz"]
    assert written["plausible"] is True
    for kind, entry in written["resources"].items():
        assert 0 < entry["used"] <= entry["available"] == board.resources[kind]
    assert written["resources"].keys() == {"luts", "ffs", "memories"}      # and no multiplier blocks
    modules = [entry["module"] for entry in written["path_modules"]]
    assert all(module.partition(".")[0] in ("core", "link", "receiver", "transmitter") for module in modules)
    assert f"openFPGALoader --board ice40_generic {written['bitstream']}" in capsys.readouterr().out
