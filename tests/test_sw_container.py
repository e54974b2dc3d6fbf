import numpy as np
import pytest
from safetensors.numpy import save_file

from nomul.gen.spec.errors import NomulError
from nomul.sw import container
from nomul.sw.checkpoint import load_checkpoint
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.container import ContainerError, content_hash, load, save
from nomul.sw.network import IntegerNetwork

HEADER = {"name": "größer", "numbers": [1, 2.5, None, True], "nested": {"b": 1, "a": 2}}
TENSORS = {"w": np.arange(-6, 6, dtype=np.int16).reshape(2, 3, 2), "empty": np.zeros((0, 3), np.uint8),
           "scalar": np.array(7, np.int64), "x": np.linspace(0, 1, 5, dtype=np.float32)}


def write(path, **values):
    return save(path, **({"kind": "network", "header": HEADER, "tensors": TENSORS} | values))


def test_a_file_gives_back_what_was_saved(tmp_path):
    digest = write(tmp_path / "a")
    content = load(tmp_path / "a")
    assert content[:3] == ("network", container.VERSION, HEADER)
    assert content.hash == digest
    assert content.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert content.tensors[name].dtype == tensor.dtype
        assert content.tensors[name].shape == tensor.shape
        assert np.array_equal(content.tensors[name], tensor)


def test_tensors_that_do_not_lie_side_by_side_in_memory_are_saved_right(tmp_path):
    tensor = np.arange(24).reshape(4, 6).T[::2]
    write(tmp_path / "a", tensors={"t": tensor})
    assert np.array_equal(load(tmp_path / "a").tensors["t"], tensor)


def test_same_content_gives_same_bytes_whatever_its_order(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", header=dict(reversed(HEADER.items())), tensors=dict(reversed(TENSORS.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_hash_tells_apart_kind_header_names_types_shapes_and_values():
    w = TENSORS["w"]
    variants = [("network", HEADER, {"w": w}), ("program", HEADER, {"w": w}), ("network", {}, {"w": w}),
                ("network", HEADER, {"v": w}), ("network", HEADER, {"w": w.view(np.uint16)}),
                ("network", HEADER, {"w": w.reshape(3, 4)}), ("network", HEADER, {"w": w + 1})]
    assert len({content_hash(*variant) for variant in variants}) == len(variants)


def test_hash_is_known():
    # sha256 of '["network",1,{},[["t","uint8",[2]]]]' and the bytes 1 and 2, by sha256sum
    assert content_hash("network", {}, {"t": np.array([1, 2], np.uint8)}) == "b7b7d79e0003a105"


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ContainerError, match=r"cannot read '.*absent': No such file"):
        load(tmp_path / "absent")


def test_folder_is_no_file(tmp_path):
    with pytest.raises(ContainerError, match="cannot read"):
        load(tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello", b"name = 'demo'\nlanes = 8\n" * 10])
def test_other_files_are_refused(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ContainerError, match="truncated or no nomul file|cannot read"):
        load(tmp_path / "a")


def test_safetensors_file_of_another_program_is_refused(tmp_path):
    save_file({"w": TENSORS["w"]}, tmp_path / "a")
    with pytest.raises(ContainerError, match="not one of nomul's: give a file that `nomul train`"):
        load(tmp_path / "a")


def test_every_truncation_is_refused(tmp_path):
    write(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / "b").write_bytes(data[:length])
        with pytest.raises(ContainerError):
            load(tmp_path / "b")


def test_every_altered_byte_is_refused(tmp_path):
    write(tmp_path / "a", header={"name": "n"}, tensors={"w": TENSORS["w"]})
    data = bytearray((tmp_path / "a").read_bytes())
    for position in range(len(data)):
        altered = data.copy()
        altered[position] ^= 1 << position % 8
        (tmp_path / "b").write_bytes(altered)
        with pytest.raises(ContainerError):
            load(tmp_path / "b")


def test_altered_value_is_refused_as_altered(tmp_path):
    write(tmp_path / "a")
    data = bytearray((tmp_path / "a").read_bytes())
    data[-1] ^= 1
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ContainerError, match="has been altered.*make it again with `nomul quantize`"):
        load(tmp_path / "a")


def test_wrong_kind_says_what_it_is_and_what_makes_the_right_one(tmp_path):
    write(tmp_path / "a")
    with pytest.raises(ContainerError, match="is a network file, but a program file is needed: `nomul compile`"):
        load(tmp_path / "a", "program")


@pytest.mark.parametrize(("version", "message"), [(container.VERSION + 1, "newer.*update nomul"),
                                                  (container.VERSION - 1, "older.*make the file again")])
def test_other_versions_are_refused(tmp_path, monkeypatch, version, message):
    with monkeypatch.context() as patch:
        patch.setattr(container, "VERSION", version)
        write(tmp_path / "a")
    with pytest.raises(ContainerError, match=message):
        load(tmp_path / "a")


def test_failed_write_leaves_nothing_behind_and_the_old_file_alone(tmp_path, monkeypatch):
    write(tmp_path / "a")
    before = (tmp_path / "a").read_bytes()

    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(container.os, "replace", fail)
    with pytest.raises(ContainerError, match="cannot write .*No space left on device"):
        write(tmp_path / "a", header={})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == before


def test_missing_folder_is_a_clear_error(tmp_path):
    with pytest.raises(ContainerError, match="cannot write .*No such file"):
        write(tmp_path / "absent" / "a")


def test_unknown_kind_is_a_programming_error(tmp_path):
    with pytest.raises(ValueError, match="kind must be one of checkpoint, training, network, program"):
        write(tmp_path / "a", kind="picture")


@pytest.mark.parametrize(("kind", "load"), [
    ("checkpoint", load_checkpoint), ("network", IntegerNetwork.load), ("program", CompiledNetwork.load)])
@pytest.mark.parametrize("header", [{}, {"layers": [{}], "config": {}, "model": "adder"},
                                    {"layers": 3, "config": 3, "model": 3}])
def test_sound_file_with_foreign_content_is_refused_in_one_line(tmp_path, kind, load, header):
    path = tmp_path / "file"
    save(path, kind, header, {})
    with pytest.raises(NomulError) as error:
        load(path)
    assert "\n" not in str(error.value)
