"""The command line: examples, exit codes, one-line errors, and files written whole or not at all."""

import importlib
import json
import os
import re
import shlex

import numpy as np
import pytest
import torch

from nomul.boards import BOARDS, CHIPS
from nomul.cosim.differences import differing_bits
from nomul.cosim.virtual_board import VirtualBoard
from nomul.gen.cli import main
from nomul.gen.cli.application import COMMANDS, make_parser
from nomul.gen.cli.cosim import _codes as cosim_codes
from nomul.gen.cli.files import FileError, check_output, write_array, write_json, write_text
from nomul.gen.cli.images import load_images, random_codes
from nomul.gen.cli.run import best_classes
from nomul.gen.cli.screen import progress, show_table, working
from nomul.gen.presets import load_config
from nomul.sw import container, golden, reference
from nomul.sw.data import Dataset
from nomul.sw.datasets import DATASETS
from nomul.sw.driver.ports import open_board
from nomul.sw.network import IntegerNetwork, Tensor


def command(name: str):
    return importlib.import_module(f"nomul.gen.cli.{name.replace('-', '_')}").COMMAND


def fails(capsys, *arguments: object) -> str:
    """The one line on standard error of a command that must fail."""
    assert main([str(value) for value in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(r"nomul: error: [^\n]+\n", captured.err)
    return captured.err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_ends_with_examples_that_parse(name, capsys):
    with pytest.raises(SystemExit, match="^0$"):
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert command(name).name == name
    assert command(name).examples
    for example in command(name).examples:
        assert example in shown
        program, *arguments = shlex.split(example)
        assert program == "nomul"
        assert make_parser().parse_args(arguments).run is command(name).run


def test_no_command_and_unknown_command_are_usage_errors(capsys):
    for arguments in ([], ["trian"]):
        with pytest.raises(SystemExit, match="^2$"):
            main(arguments)
    assert "invalid choice: 'trian'" in capsys.readouterr().err


NEEDS_A_KIND = (("quantize", "-o", "out"), ("compile", "--config", "demo", "-o", "out"), ("push", "--port", "virtual"),
                ("run", "--port", "virtual"), ("cosim", "--config", "demo"))
NEEDS_A_FILE = (*NEEDS_A_KIND, ("inspect",))


@pytest.fixture
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("arguments", NEEDS_A_FILE, ids=lambda arguments: arguments[0])
class TestInputFile:
    def test_missing_file_is_named(self, arguments, capsys):
        assert "no file none.x" in fails(capsys, arguments[0], "none.x", *arguments[1:])

    def test_folder_is_no_file(self, arguments, tmp_path, capsys):
        assert f"{tmp_path} is a folder" in fails(capsys, arguments[0], tmp_path, *arguments[1:])

    def test_file_of_something_else_is_refused_and_nothing_written(self, arguments, tmp_path, capsys):
        (tmp_path / "x").write_bytes(bytes(range(256)))
        assert "'x' is" in fails(capsys, arguments[0], "x", *arguments[1:])
        assert os.listdir(tmp_path) == ["x"]


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("arguments", NEEDS_A_KIND, ids=lambda arguments: arguments[0])
def test_file_of_another_kind_is_refused_with_the_command_that_makes_the_right_one(arguments, tmp_path, capsys):
    wrong, maker = {"quantize": ("network", "train"), "cosim": ("program", "quantize")}.get(
        arguments[0], ("checkpoint", "quantize"))
    container.save(tmp_path / "x", wrong, {}, {})
    message = fails(capsys, arguments[0], "x", *arguments[1:])
    assert f"is a {wrong} file" in message
    assert f"`nomul {maker}` makes one" in message


@pytest.mark.parametrize(("arguments", "message"), [
    (("train", "adder", "-o", "none/x"), "no folder none to write x into"),
    (("train", "adder", "-o", "."), ". is a folder; give the name of a file to write"),
    (("train", "adder", "-o", "x", "--epochs", "0"), "--epochs must be at least 1, not 0"),
    (("train", "adderr", "-o", "x"), "no recipe 'adderr': give the path of a .toml file or one of adder, lenet-adder"),
    (("train", "none.toml", "-o", "x"), "cannot read recipe 'none.toml': No such file"),
    (("train", "adder", "-o", "x", "--keep-first-last"), "the network small has layers of the kinds adder, shift-q,"),
    (("train", "adder", "-o", "x", "--plot", "x.png"), "--plot draws SVG: give a name that ends in .svg, not x.png"),
    (("train", "lenet-adder", "-o", "x"), "the mnist data set was not found"),
    (("train", "lenet-adder", "-o", "x", "--data", "folder"), "the folder data set was not found"),
    (("bench", "layers", "--json", "none/x.json"), "no folder none"),
    (("generate", "--config", "nothing", "-o", "x"), "no configuration 'nothing'"),
    (("generate", "--config", "none.toml", "-o", "x"), "cannot read configuration 'none.toml'"),
    (("generate", "--config", "demo", "--board", "toaster", "-o", "x"), "toaster"),
    (("virtual-board", "--config", "nothing"), "no configuration 'nothing'"),
    (("demo", "--folder", "file"), "file is a file; give a folder"),
    (("demo", "--folder", "new", "--json", "none/x.json"), "no folder none"),
])
def test_mistake_is_one_line_and_leaves_nothing(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOMUL_DATA", raising=False)
    (tmp_path / "file").write_text("")
    assert message in fails(capsys, *arguments)
    assert set(os.listdir(tmp_path)) <= {"file", "new"}


def test_impossible_configuration_is_refused_before_anything_is_written(tmp_path, capsys):
    path = tmp_path / "x.toml"
    path.write_text(load_config("demo").to_toml().replace("weight_words = 8192", "weight_words = 99999999"))
    assert "weight_words must be 4 to 1048576, not 99999999" in fails(
        capsys, "generate", "--config", path, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_port_that_does_not_exist_is_one_line(tmp_path, capsys, program):
    assert "/dev/none" in fails(capsys, "push", program, "--port", "/dev/none")


@pytest.mark.parametrize(("package", "extra"), [("torch", "train"), ("sklearn", "train"), ("cocotb", "cosim")])
def test_missing_extra_is_named_with_the_way_to_install_it(package, extra, monkeypatch, capsys):
    def run(arguments):
        raise ModuleNotFoundError(f"No module named {package!r}", name=f"{package}.nn")

    monkeypatch.setattr("nomul.gen.cli.application._load", lambda name: command(name)
                        if name != "boards" else type(command(name))("boards", "x", ("x",), lambda parser: None, run))
    assert f"needs {package}, which is not installed: pip install 'nomul[{extra}]'" in fails(capsys, "boards")


def test_module_that_no_extra_brings_is_a_bug_and_shows_as_one(monkeypatch):
    def run(arguments):
        raise ModuleNotFoundError("No module named 'x'", name="x")

    monkeypatch.setattr("nomul.gen.cli.application._load",
                        lambda name: type(command(name))(name, "x", ("x",), lambda parser: None, run))
    with pytest.raises(ModuleNotFoundError):
        main(["boards"])


def test_interrupt_ends_with_130(monkeypatch):
    def run(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("nomul.gen.cli.application._load",
                        lambda name: type(command(name))(name, "x", ("x",), lambda parser: None, run))
    assert main(["boards"]) == 130


def test_boards_lists_every_board_that_generate_takes(capsys):
    assert main(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [*(board.name for board in BOARDS), "chip",
                                                   *(chip.name for chip in CHIPS)]


# Inspecting. ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def program(tmp_path_factory, network):
    """A compiled network's file."""
    path = tmp_path_factory.mktemp("cli") / "small.program"
    assert main(["compile", str(network), "--config", "tiny", "-o", str(path)]) == 0
    return path


def test_compile_tells_what_its_passes_did(network, tmp_path, capsys):
    assert main(["compile", str(network), "--config", "tiny", "-o", str(tmp_path / "p"), "--verbose"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[:-1]]
    assert [line[0] for line in lines[:7]] == ["average_by_array", "align_sums", "choose_operators",
                                               "prove_accumulators", "fold_input", "place_tensors", "emit"]
    header, *layers, total = lines[7:]
    assert header == ["layer", "weights", "bits", "entropy", "coded", "bits"]
    assert total[0] == "all"
    assert int(total[1]) == sum(int(layer[1]) for layer in layers) > 0
    assert all(0 <= float(layer[3]) <= min(float(layer[2]), float(layer[4])) for layer in [*layers, total])


def inspected(capsys, path) -> dict:
    assert main(["inspect", str(path)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert main(["inspect", str(path), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert f"kind: {values['kind']}\n" in text
    return values


def test_inspect_shows_a_configuration(capsys, tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(load_config("demo").to_toml())
    values = inspected(capsys, path)
    assert values["hash"] == load_config("demo").hash
    assert values["derived"]["weight memory, bits"] == 8192 * 64


def test_inspect_shows_a_network_and_its_program(capsys, network, program):
    values = inspected(capsys, network)
    assert values["kind"] == "network"
    assert len(values["layers"]) >= 1
    compiled = inspected(capsys, program)
    assert compiled["kind"] == "program"
    assert compiled["network_hash"] == values["hash"]
    assert compiled["config_hash"] == load_config("tiny").hash
    assert compiled["descriptors"][0]["opcode"] == 1
    assert [layer["layer"] for layer in compiled["layers"]] == ["conv", "pool", "adder", "sign", "logits", ""]
    assert compiled["descriptors"][-1] == {"opcode": 0}


def test_inspect_shows_a_manifest(capsys, tmp_path):
    assert main(["generate", "--config", "tiny", "-o", str(tmp_path / "tiny")]) == 0
    assert str(tmp_path / "tiny" / "manifest.json") in capsys.readouterr().out
    assert inspected(capsys, tmp_path / "tiny" / "manifest.json")["config_hash"] == load_config("tiny").hash


@pytest.mark.parametrize(("name", "text", "message"), [
    ("x.json", "{}", "is no manifest"), ("x.json", "{,}", "is no JSON"), ("x.v", "module x;", "is Verilog"),
    ("x.toml", "lanes = 3", "field 'name' is missing"),
])
def test_inspect_refuses_what_it_does_not_know(name, text, message, tmp_path, capsys):
    (tmp_path / name).write_text(text)
    assert message in fails(capsys, "inspect", tmp_path / name)


# A data set of one's own files. -----------------------------------------------------------------------------


def test_network_for_mnist_is_trained_and_quantized_and_the_golden_models_accuracy_is_told(
        tmp_path, monkeypatch, capsys):
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(120, 1, 28, 28, generator=generator), torch.arange(120) % 10
    noise = Dataset("mnist", images[:100], labels[:100], images[100:], labels[100:])
    monkeypatch.setitem(DATASETS, "mnist", lambda: noise)
    checkpoint, network = str(tmp_path / "x.checkpoint"), str(tmp_path / "x.network")
    assert main(["train", "lenet-shift-q", "--epochs", "1", "-o", checkpoint]) == 0
    capsys.readouterr()
    assert main(["quantize", checkpoint, "-o", network, "--verbose"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()[:9]] == [
        "export", "read_graph", "drop_inert", "fuse_norms", "fuse_rectifications", "take_roundings", "drop_classes",
        "compare", "build_layers"]
    quantized = IntegerNetwork.load(network)
    assert quantized.metadata["dataset"] == "mnist"
    logits = reference.trace(quantized, quantized.encode_images(images[100:].numpy()))["classifier.shift"]
    right = int((logits.reshape(20, 10).argmax(axis=1) == labels[100:].numpy()).sum())
    assert f"golden model accuracy {5 * right:.2f} % of the test images" in shown


def test_cosim_takes_the_images_of_the_data_set_and_without_it_random_ones(monkeypatch, capsys):
    network = IntegerNetwork("x", 8, Tensor(1, 28, 28, 0, -6), (), {})
    images, labels = torch.arange(784.).reshape(1, 1, 28, 28) % 256 / 64, torch.zeros(1, dtype=torch.int64)
    monkeypatch.setitem(DATASETS, "mnist", lambda: Dataset("mnist", *(images, labels) * 2))
    codes = cosim_codes(network, 3)
    assert codes[0].flatten().tolist() == [index % 256 for index in range(784)]
    np.testing.assert_array_equal(codes[1:], random_codes(network.input, 8, 2))
    monkeypatch.undo()
    monkeypatch.delenv("NOMUL_DATA", raising=False)
    np.testing.assert_array_equal(cosim_codes(network, 3), random_codes(network.input, 8, 3))
    assert capsys.readouterr().out.startswith("random images instead of a data set's: the mnist data set was not found")


# A board. ---------------------------------------------------------------------------------------------------


@pytest.mark.cosim
def test_network_is_pushed_and_run_by_separate_commands_and_equals_the_golden_model(network, program, tmp_path, capsys):
    codes = random_codes(IntegerNetwork.load(network).input, 8, 12)
    np.save(tmp_path / "codes.npy", codes)
    run = ("run", program, "--images", tmp_path / "codes.npy", "--port")
    with VirtualBoard(load_config("tiny")) as board:
        assert "push it first" in fails(capsys, *run, board.port)
        assert main(["push", str(program), "--port", board.port]) == 0
        assert "verified by checksum" in capsys.readouterr().out
        assert main([*map(str, run), board.port, "-o", str(tmp_path / "logits.npy"),
                     "--json", str(tmp_path / "run.json"), "--top", "2"]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert "--top must be from 1 to the 10 classes of" in fails(capsys, *run, board.port, "--top", "11")
        assert "not 0" in fails(capsys, *run, board.port, "--top", "0")
    logits, expected = np.load(tmp_path / "logits.npy"), reference.trace(IntegerNetwork.load(network), codes)["logits"]
    np.testing.assert_array_equal(logits, expected.reshape(logits.shape))
    assert shown[0].split() == ["image", "best", "1", "best", "2"]
    for image, line in enumerate(shown[1:13]):
        best = sorted(range(10), key=lambda label, image=image: (-logits[image][label], label))[:2]
        assert line.split() == [str(image)] + " ".join(f"{label}: {logits[image][label]}" for label in best).split()
    summary = json.loads((tmp_path / "run.json").read_text())
    assert summary["predictions"] == logits.argmax(axis=1).tolist()
    assert summary["images"] == 12
    assert summary["cycles_per_image"] == sum(
        summary[f"{what}_cycles"] for what in ("busy", "weights", "accumulators", "drain", "fetch"))


@pytest.mark.cosim
def test_program_for_another_configuration_is_refused_and_nothing_written(network, tmp_path, capsys):
    path = tmp_path / "demo.toml"
    path.write_text(load_config("tiny").to_toml().replace("requantizers = 1", "requantizers = 2"))
    assert main(["compile", str(network), "--config", str(path), "-o", str(tmp_path / "other.program")]) == 0
    capsys.readouterr()
    with VirtualBoard(load_config("tiny")) as virtual:
        message = fails(capsys, "push", tmp_path / "other.program", "--port", virtual.port)
        with open_board(virtual.port) as board:
            assert board.info().network_hash is None
    assert load_config("tiny").hash in message


@pytest.mark.cosim
def test_cosim_says_0_when_all_bits_agree_and_1_when_one_differs(network, tmp_path, monkeypatch, capsys):
    arguments = ["cosim", str(network), "--config", "tiny", "--images", "5", "--json", str(tmp_path / "result.json")]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "result.json").read_text())["differing_bits"] == 0
    exact = golden.run
    monkeypatch.setattr(golden, "run", lambda *inputs: exact(*inputs) ^ np.eye(5, 10, dtype=np.int16))
    assert main(arguments) == 1
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["differing_bits"], result["differing_images"], result["outputs"]) == (5, 5, 50)
    assert "image 0: golden " in capsys.readouterr().out


@pytest.mark.cosim
def test_virtual_board_tells_its_port_and_ends_on_interrupt(monkeypatch, capsys):
    def sleep(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    assert main(["virtual-board", "--config", "tiny"]) == 130
    assert re.match(rf"virtual board of tiny \({load_config('tiny').hash}\) at /dev/\S+; ", capsys.readouterr().out)


# Parts. -----------------------------------------------------------------------------------------------------


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})

    def replace(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_written_array_is_read_back(tmp_path):
    array = np.array([[1, -2], [3, 4]], dtype=np.int16)
    write_array(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    assert (tmp_path / "a.npy").stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_output_into_a_missing_folder_is_refused_before_the_work(tmp_path):
    with pytest.raises(FileError, match="no folder"):
        check_output(tmp_path / "a" / "b")


def test_differing_bits_are_counted_in_all_sixteen_bits():
    golden = np.array([[0, -1, 5]], dtype=np.int16)
    assert differing_bits(golden, golden.copy()) == 0
    assert differing_bits(golden, np.array([[1, 0, 4]], dtype=np.int16)) == 1 + 16 + 1
    assert differing_bits(golden, np.array([[-32768, -1, 5]], dtype=np.int16)) == 1


def test_nothing_but_text_goes_to_a_pipe(capsys):
    with progress("step") as update, working("more"):
        update(1, 2)
    show_table([("a", 1), ("b", 22)], ("name", "number"))
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == ["name  number", "a          1", "b         22"]


INPUT = Tensor(1, 2, 2, zero_point=0, exponent=-4)


def test_real_images_are_encoded_and_codes_taken_as_they_are(tmp_path):
    np.save(tmp_path / "real.npy", np.array([[[[0.0, 0.0625], [1.0, 99.0]]]]))
    np.save(tmp_path / "codes.npy", np.array([[[[0, 1], [16, 255]]]], dtype=np.uint8))
    for name in ("real", "codes"):
        images = load_images(str(tmp_path / f"{name}.npy"), INPUT, 8)
        assert images.labels is None
        assert images.codes.dtype == np.uint8
        assert images.codes.tolist() == [[[[0, 1], [16, 255]]]]


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((1, 2, 2)), r"has the shape \(1, 2, 2\), but the network takes images of \(number, 1, 2, 2\)"),
    (np.zeros((0, 1, 2, 2)), "has the shape"),
    (np.zeros((1, 1, 2, 2), dtype=np.int64), "holds int64; images must be"),
    (np.full((1, 1, 2, 2), 200, dtype=np.uint8), "holds the code 200; codes must be 0 to 127"),
])
def test_images_that_do_not_fit_are_refused(array, message, tmp_path):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(FileError, match=message):
        load_images(str(tmp_path / "x.npy"), INPUT, 7)


def test_pickles_and_other_files_are_no_images(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "y.npy").write_bytes(b"no array")
    np.savez(tmp_path / "z.npz", a=np.zeros(1))
    for name in ("x.npy", "y.npy"):
        with pytest.raises(FileError, match=r"is no \.npy file"):
            load_images(str(tmp_path / name), INPUT, 8)
    with pytest.raises(FileError, match="holds several arrays"):
        load_images(str(tmp_path / "z.npz"), INPUT, 8)


def test_random_codes_are_the_same_every_time_and_use_the_whole_range():
    codes = random_codes(Tensor(3, 8, 8), 4, 20)
    np.testing.assert_array_equal(codes, random_codes(Tensor(3, 8, 8), 4, 20))
    assert codes.shape == (20, 3, 8, 8)
    assert (codes.min(), codes.max()) == (0, 15)


def test_best_classes_are_ordered_as_the_hardware_orders_them():
    assert best_classes(np.array([3, -32768, 7, 7, 32767], np.int16), 4) == [4, 2, 3, 0]
