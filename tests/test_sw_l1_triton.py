import importlib.util
import json
import os
import subprocess
import sys

import pytest

from nomul.sw import l1

#: (channels, height, width, outputs, kernel, stride, padding, dilation, groups); a block is 64 pixels x 16 channels.
SCRIPT = """
import itertools, json
import numpy as np, torch
from nomul.sw.geometry import Geometry
from nomul.sw.l1_portable import portable_forward, portable_input_gradient
from nomul.sw.l1_triton import triton_forward, triton_input_gradient

GEOMETRIES = {
    "plain": (3, 6, 5, 4, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "stride 2": (2, 8, 8, 17, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    "dilation": (3, 7, 6, 5, (3, 3), (1, 1), (2, 2), (2, 2), 1),
    "groups": (4, 5, 5, 6, (3, 3), (2, 2), (1, 1), (1, 1), 2),
    "depthwise": (5, 5, 6, 5, (3, 3), (1, 1), (1, 1), (1, 1), 5),
    "depthwise, two outputs": (2, 7, 5, 4, (3, 3), (2, 2), (2, 2), (2, 2), 2),
    "channels over a block": (17, 3, 3, 3, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "nothing square": (4, 9, 7, 6, (1, 3), (2, 1), (0, 1), (1, 2), 2),
}

def brute_force(x, w, g, stride, padding, dilation, groups, sign):
    y, gradient = np.zeros(g.shape), np.zeros(x.shape)
    per, outputs = w.shape[1], len(w) // groups
    for n, o, i, j in np.ndindex(g.shape):
        for c, a, b in np.ndindex(w.shape[1:]):
            r, s = i * stride[0] + a * dilation[0] - padding[0], j * stride[1] + b * dilation[1] - padding[1]
            inside, channel = 0 <= r < x.shape[2] and 0 <= s < x.shape[3], o // outputs * per + c
            difference = w[o, c, a, b] - (x[n, channel, r, s] if inside else 0)
            y[n, o, i, j] -= abs(difference)
            if inside:
                slope = np.sign(difference) if sign else min(max(difference, -1), 1)
                gradient[n, channel, r, s] += slope * g[n, o, i, j]
    return y, gradient

report = {}
for (name, (channels, height, width, outputs, kernel, *window)), sign in itertools.product(GEOMETRIES.items(), (0, 1)):
    geometry = Geometry(*window)
    draw = np.random.default_rng(1).normal
    x, w = draw(size=(2, channels, height, width)), 2 * draw(size=(outputs, channels // window[3], *kernel))
    g = draw(size=(2, outputs, *geometry.output_size((height, width), kernel)))
    x, w, g = (torch.tensor(array).float() for array in (x, w, g))
    found = triton_forward(x, w, geometry), triton_input_gradient(x, w, g, geometry, bool(sign))
    exact = brute_force(*(t.double().numpy() for t in (x, w, g)), *window, sign)
    plain = portable_forward(x, w, geometry), portable_input_gradient(x, w, g, geometry, bool(sign))
    report[f"{name}, {'sign' if sign else 'clipped'}"] = [
        max(float(np.abs(f.numpy() - e).max()) for f, e in zip(found, exact)),
        max(float((f - p).abs().max()) for f, p in zip(found, plain)),
        all(f.shape == p.shape and f.stride() == p.stride() for f, p in zip(found, plain))]
print(json.dumps(report))
"""
needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


@needs_triton
def test_kernels_equal_a_loop_over_the_definitions_and_the_portable_code():
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout)
    assert len(report) == 16
    for case, (from_definition, from_portable, same_layout) in report.items():
        assert from_definition < 3e-5, case
        assert from_portable < 3e-5, case
        assert same_layout, case


def test_the_cpu_never_imports_the_triton_kernels():
    script = ("import sys, torch; from nomul.sw.l1 import l1_conv2d; "
              "l1_conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1)); "
              "assert 'nomul.sw.l1_triton' not in sys.modules")
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_without_triton_it_warns_once_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "nomul.sw.l1_triton", raising=False)
    l1._triton.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"pip install 'nomul\[cuda\]'"):
            assert l1._triton() is None
        assert l1._triton() is None  # a second warning would be an error
    finally:
        l1._triton.cache_clear()
