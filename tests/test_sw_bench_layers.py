import itertools
import json

import pytest
import torch

from nomul.gen.cli import main
from nomul.sw import bench_layers as bench
from nomul.sw.bench_layers import Shape, measure

SMALL = Shape("small", 2, 3, 6, stride=2)


def test_a_row_adds_the_shortest_forward_and_backward_and_divides_by_the_convolutions(monkeypatch):
    # Rounds of conv, l1, shift-q, shift-ps, sign; the first two warm up and would be the shortest.
    seconds = [(1e-6, 1e-6)] * 10 + [(2e-3, 6e-3), (5e-3, 9e-3), (1e-3, 8e-3), (7e-3, 1e-3), (3e-3, 3e-3),
                                     (3e-3, 2e-3), (4e-3, 12e-3), (2e-3, 4e-3), (1e-3, 2e-3), (4e-3, 5e-3)]
    turns, ran = iter(seconds), []
    monkeypatch.setattr(bench, "_step", lambda layer, *_: ran.append(type(layer).__name__) or next(turns))
    l1, shift, ps, sign = measure(SMALL, 4, 2)
    assert ran == ["Conv2d", "L1Conv2d", "ShiftConv2d", "ShiftConv2d", "SignConv2d"] * 4
    assert (l1.layer, l1.network, l1.shape, l1.batch) == ("l1", "small", "2->3 6x6 k3 s2", 4)
    assert (l1.forward_ms, l1.backward_ms, l1.conv_ms) == pytest.approx((4, 9, 4))
    assert l1.ratio_to_conv == pytest.approx(13 / 4)
    assert (shift.layer, shift.ratio_to_conv) == ("shift-q", pytest.approx(5 / 4))
    assert (ps.layer, ps.ratio_to_conv) == ("shift-ps", pytest.approx(2 / 4))
    assert (sign.layer, sign.ratio_to_conv) == ("sign", pytest.approx(6 / 4))


def test_every_layer_is_really_run_forward_and_back(monkeypatch):
    calls = []
    gradient = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *inputs: calls.append(gradient(*inputs)))
    rows = measure(SMALL, 4, 1)
    assert len(calls) == 15  # five layers, two rounds to warm up and one that counts
    assert [len(gradients) for gradients in calls] == [2, 2, 2, 3, 2] * 3   # shift-ps trains exponents and signs
    assert all(x.shape == (4, 2, 6, 6) for x, *_ in calls)
    assert all(weight.shape == (3, 2, 3, 3) for _, *weights in calls for weight in weights)
    assert all(min(row.forward_ms, row.backward_ms, row.conv_ms) > 0 for row in rows)


def test_shapes_are_those_of_the_networks():
    shapes = {str(shape): shape for shape in bench.SHAPES}
    assert len(shapes) == len(bench.SHAPES)
    assert {"16->16 32x32 k3 s1", "64->64 8x8 k3 s1"} <= set(shapes)
    lenet = [shape for shape in bench.SHAPES if shape.network == "lenet"]
    convolutions = [(shape.inputs, shape.outputs) for shape in lenet]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(convolutions))
    assert sum(shape.inputs * shape.outputs * shape.kernel ** 2 for shape in lenet) == 42_948 - 2 * 154


def test_the_command_prints_a_table_and_writes_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "SHAPES", (SMALL,))
    before = torch.get_num_threads()
    path = tmp_path / "rows.json"
    assert main(["bench", "layers", "--quick", "--threads", "2", "--json", str(path)]) == 0
    assert torch.get_num_threads() == before
    rows = json.loads(path.read_text())["rows"]
    assert [row["layer"] for row in rows] == ["l1", "shift-q", "shift-ps", "sign"]
    assert {"layer", "shape", "forward_ms", "backward_ms", "conv_ms", "ratio_to_conv", "threads"} <= set(rows[0])
    assert rows[0]["threads"] == 2
    out = capsys.readouterr().out
    assert "ratio to conv" in out
    assert "2->3 6x6 k3 s2" in out


def test_no_threads_are_refused_in_one_line(capsys):
    assert main(["bench", "layers", "--threads", "0"]) == 2
    assert capsys.readouterr().err == "nomul: error: --threads must be at least 1, not 0\n"


def test_cuda_where_there_is_none_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["bench", "layers", "--device", "cuda"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("nomul: error: --device cuda needs an NVIDIA GPU")
    assert error.count("\n") == 1
