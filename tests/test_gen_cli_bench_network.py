import json
import re

import pytest

from nomul.gen.cli import main
from nomul.gen.cli.bench import COMMAND
from nomul.sw import golden
from nomul.sw.bench_network import BENCH_KINDS, BENCH_NETWORKS, compile_fitting, largest_config, random_network
from nomul.sw.report import report_compiled

KEYS = ["network", "lanes", "columns", "cycles", "ideal_cycles", "utilization", "predicted_cycles", "simulated",
        "layers"]
MLP = ("bench", "network", "mlp", "--lanes", "4", "--columns", "4")
#: Weights of the MLP, each used once, by processing elements.
IDEAL = (784 * 128 + 128 * 64 + 64 * 10) / 16


def test_prediction_is_that_of_the_report(tmp_path, capsys):
    path = tmp_path / "mlp.json"
    assert main([*MLP, "--json", str(path)]) == 0
    written = json.loads(path.read_text(encoding="utf-8"))
    assert list(written) == KEYS
    network = random_network("mlp", "adder")
    expected = report_compiled(network, compile_fitting(network, largest_config("mlp", 4, 4)))
    assert (written["network"], written["lanes"], written["columns"], written["simulated"]) == ("mlp", 4, 4, False)
    assert (written["cycles"], written["predicted_cycles"], written["ideal_cycles"]) == (
        expected.cycles, expected.cycles, IDEAL)
    assert written["utilization"] == pytest.approx(IDEAL / expected.cycles)
    assert written["layers"] == [layer.to_dict() for layer in expected.layers]
    shown = capsys.readouterr().out
    assert "block2.adder" in shown
    assert f"{expected.cycles} cycles predicted, {IDEAL:.0f} ideal" in shown


def test_kind_and_requantizers_are_those_asked_for(capsys):
    assert main([*MLP, "--kind", "sign", "--requantizers", "2"]) == 0
    shown = capsys.readouterr().out
    assert "mlp of the kind sign on 4×4 processing elements, 2 rows of requantizers" in shown
    assert "classifier.sign" in shown


@pytest.mark.cosim
def test_the_simulation_takes_the_predicted_cycles_and_a_wrong_bit_is_an_error(tmp_path, monkeypatch, capsys):
    path = tmp_path / "mlp.json"
    assert main([*MLP, "--simulate", "--json", str(path)]) == 0
    written = json.loads(path.read_text(encoding="utf-8"))
    assert list(written) == KEYS
    assert written["simulated"] is True
    assert written["cycles"] == written["predicted_cycles"]
    assert "cycles simulated" in capsys.readouterr().out

    right = golden.run
    monkeypatch.setattr(golden, "run", lambda *arguments: right(*arguments) ^ 1)
    assert main([*MLP, "--simulate"]) == 1
    assert "hardware and golden model differ: golden [" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (("lenet5", "--lanes", "4", "--columns", "4"), "unknown network 'lenet5'; known are resnet20, lenet, vgg-small"),
    (("mlp", "--lanes", "4", "--columns", "4", "--kind", "conv"), "unknown kind 'conv'; known are adder, shift-q"),
    (("mlp", "--lanes", "12", "--columns", "4"), "lanes must be one of 2, 4, 8, 16, 32, 64, not 12"),
    (("mlp", "--lanes", "4", "--columns", "0"), "columns must be one of 2, 4, 8, 16, 32, 64, not 0"),
    (("mlp", "--lanes", "4", "--columns", "4", "--requantizers", "33"), "requantizers must be 1 to 32, not 33"),
    (("mlp", "--lanes", "4", "--columns", "4", "--json", "none/x.json"), "no folder none to write x.json into"),
])
def test_mistake_is_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "network", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"nomul: error: [^\n]+\n", captured.err)
    assert message in captured.err


def test_help_names_networks_and_kinds(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        main([COMMAND.name, "network", "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in BENCH_NETWORKS)
    assert all(kind in BENCH_KINDS and kind in shown for kind in ("adder", "shift-q", "shiftadd", "sign"))
