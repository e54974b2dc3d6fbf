import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from nomul.sw import l1_native, l1_portable
from nomul.sw.geometry import Geometry, LayerError
from nomul.sw.l1 import l1_conv2d
from nomul.sw.l1_portable import portable_forward, portable_input_gradient

#: (channels, height, width, outputs, kernel, stride, padding, dilation, groups)
GEOMETRIES = {
    "plain": (3, 6, 5, 4, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "stride 2": (2, 8, 8, 17, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    "1x1": (5, 4, 4, 33, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    "stride 3, wide padding": (1, 7, 9, 3, (2, 2), (3, 3), (2, 2), (1, 1), 1),
    "whole map": (4, 3, 3, 10, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    "dilation": (3, 9, 8, 5, (3, 3), (1, 1), (2, 2), (2, 2), 1),
    "dilation and stride": (2, 9, 9, 3, (3, 3), (2, 2), (1, 1), (3, 3), 1),
    "groups": (6, 6, 5, 9, (3, 3), (1, 1), (1, 1), (1, 1), 3),
    "groups, stride 2": (4, 7, 7, 40, (3, 3), (2, 2), (1, 1), (1, 1), 2),
    "depthwise": (19, 6, 6, 19, (3, 3), (1, 1), (1, 1), (1, 1), 19),
    "depthwise, stride 2, dilation": (3, 9, 8, 3, (3, 3), (2, 2), (2, 2), (2, 2), 3),
    "depthwise, two outputs a channel": (5, 5, 6, 10, (3, 3), (1, 1), (1, 1), (1, 1), 5),
    "one channel, no groups": (1, 6, 6, 5, (3, 3), (2, 2), (1, 1), (1, 1), 1),
    "one channel a group, many outputs": (2, 5, 6, 14, (3, 3), (1, 1), (1, 1), (1, 1), 2),
    "channels that fill no block": (10, 5, 4, 6, (3, 3), (1, 1), (1, 1), (1, 1), 2),
    "vectors of channels": (20, 6, 5, 7, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    "vectors of channels, groups, dilation": (34, 6, 5, 6, (3, 2), (1, 1), (1, 0), (2, 3), 2),
    "vectors of channels, wider padding than kernel": (16, 3, 4, 5, (2, 3), (1, 1), (3, 4), (1, 1), 1),
    "nothing square": (4, 9, 7, 6, (1, 3), (2, 1), (0, 1), (1, 2), 2),
}
EVERY = pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
EITHER = pytest.mark.parametrize("sign", [False, True], ids=["clipped", "sign"])


def brute_force(x, w, g, stride, padding, dilation, groups, sign=False):
    """y, gradient of w, gradient of x, tap by tap in float64 from the definitions."""
    images, channels, height, width = x.shape
    outputs, _, rows, columns = w.shape
    top, left = padding
    padded = np.zeros((images, channels, height + 2 * top, width + 2 * left))
    padded[:, :, top:top + height, left:left + width] = x
    y, w_gradient, x_gradient = np.zeros(g.shape), np.zeros(w.shape), np.zeros(padded.shape)
    for n, o, i, j in np.ndindex(y.shape):
        group = o * groups // outputs
        at = (n, slice(group * channels // groups, (group + 1) * channels // groups),
              slice(i * stride[0], i * stride[0] + (rows - 1) * dilation[0] + 1, dilation[0]),
              slice(j * stride[1], j * stride[1] + (columns - 1) * dilation[1] + 1, dilation[1]))
        difference = w[o] - padded[at]
        y[n, o, i, j] = -np.abs(difference).sum()
        w_gradient[o] -= difference * g[n, o, i, j]
        x_gradient[at] += (np.sign(difference) if sign else np.clip(difference, -1, 1)) * g[n, o, i, j]
    return y, w_gradient, x_gradient[:, :, top:top + height, left:left + width]


def sample(geometry, dtype):
    channels, height, width, outputs, kernel, *window = geometry
    generator = np.random.default_rng(1)
    x = generator.normal(size=(3, channels, height, width))
    w = generator.normal(size=(outputs, channels // window[3], *kernel)) * 2
    size = ((s + 2 * p - d * (k - 1) - 1) // t + 1
            for s, k, t, p, d in zip((height, width), kernel, *window[:3], strict=True))
    g = generator.normal(size=(3, outputs, *size))
    return [array.astype(dtype).astype(np.float64) for array in (x, w, g)], window


@EVERY
@EITHER
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 3e-5)])
def test_values_and_gradients_equal_a_loop_over_the_definitions(geometry, dtype, tolerance, sign):
    arrays, window = sample(geometry, dtype)
    expected = brute_force(*arrays, *window, sign)
    x, w, g = (torch.tensor(array, dtype=getattr(torch, dtype)) for array in arrays)
    x.requires_grad_()
    w.requires_grad_()
    y = l1_conv2d(x, w, *window, sign_gradient=sign)
    y.backward(g)
    for found, value in zip((y, w.grad, x.grad), expected, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), value, rtol=tolerance, atol=tolerance)


@EVERY
@EITHER
def test_portable_kernels_equal_a_loop_over_the_definitions(geometry, sign, monkeypatch):
    monkeypatch.setattr(l1_portable, "_CHUNK", 200)  # so that one call takes several chunks
    arrays, window = sample(geometry, "float64")
    y, _, x_gradient = brute_force(*arrays, *window, sign)
    x, w, g = map(torch.tensor, arrays)
    np.testing.assert_allclose(portable_forward(x, w, Geometry(*window)).numpy(), y, rtol=1e-12)
    found = portable_input_gradient(x, w, g, Geometry(*window), sign)
    np.testing.assert_allclose(found.numpy(), x_gradient, atol=1e-12)


@EVERY
def test_the_operators_keep_the_promises_that_compilers_rely_on(geometry):
    arrays, window = sample(geometry, "float64")
    x, w, g = map(torch.tensor, arrays)
    w.requires_grad_()
    torch.library.opcheck(torch.ops.nomul.l1_forward.default, (x.requires_grad_(), w, *window, False, 0.2))
    torch.library.opcheck(torch.ops.nomul.l1_input_gradient.default, (x.detach(), w.detach(), g, *window, False),
                          test_utils=("test_schema", "test_faketensor"))


def test_strides_paddings_and_dilations_may_be_single_numbers():
    x, w = torch.randn(1, 2, 9, 9), torch.randn(3, 2, 3, 3)
    assert torch.equal(l1_conv2d(x, w, 2, 1, 2), l1_conv2d(x, w, (2, 2), (1, 1), (2, 2)))


def test_every_group_is_computed():
    # A published layer with groups returns from within its loop over them.
    x, w = torch.randn(2, 6, 4, 4).double(), torch.randn(9, 2, 3, 3).double()
    y = l1_conv2d(x, w, padding=1, groups=3)
    for group in range(3):
        own = l1_conv2d(x[:, 2 * group:2 * group + 2], w[3 * group:3 * group + 3], padding=1)
        torch.testing.assert_close(y[:, 3 * group:3 * group + 3], own)


def test_padded_taps_count_as_zeros():
    y = l1_conv2d(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 3, 3), 2.0), padding=1)
    assert y.item() == -18


@pytest.mark.parametrize("native", [True, False], ids=["native", "portable"])
def test_input_gradient_with_stride_two_reaches_every_row(native, monkeypatch):
    # The published CUDA kernels lose contributions here: [1 2 1 1 0 0 0 0] along each side.
    if not native:
        monkeypatch.setattr("nomul.sw.l1.native_for", lambda x: False)
    x = torch.zeros(1, 1, 8, 8, requires_grad=True)
    l1_conv2d(x, torch.full((1, 1, 3, 3), 5.0), stride=2, padding=1).sum().backward()
    side = torch.tensor([1.0, 2, 1, 2, 1, 2, 1, 1])
    assert torch.equal(x.grad[0, 0], side[:, None] * side)


def test_far_from_the_clip_the_input_gradient_is_the_true_one():
    x = (torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)).double() * 1e6).requires_grad_()
    w = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(1)).double()
    ours, = torch.autograd.grad(l1_conv2d(x, w).sum(), x)
    windows = torch.nn.functional.unfold(x, 3)
    true, = torch.autograd.grad(-(windows[:, None] - w.reshape(1, 4, 27, 1)).abs().sum(), x)
    torch.testing.assert_close(ours, true)


def test_eta_gives_the_weight_gradient_the_norm_eta_root_k():
    arrays, window = sample(GEOMETRIES["plain"], "float64")
    x, w, g = map(torch.tensor, arrays)
    w.requires_grad_()
    plain, = torch.autograd.grad(l1_conv2d(x, w, *window), w, g)
    scaled, = torch.autograd.grad(l1_conv2d(x, w, *window, eta=0.2), w, g)
    torch.testing.assert_close(scaled.norm().item(), 0.2 * np.sqrt(w.numel()))
    torch.testing.assert_close(scaled / scaled.norm(), plain / plain.norm())


def test_eta_leaves_a_zero_gradient_zero():
    w = torch.ones(1, 1, 1, 1, requires_grad=True)
    l1_conv2d(torch.ones(1, 1, 1, 1), w, eta=0.2).backward()
    assert w.grad.item() == 0


def test_integers_are_exact_in_float32():
    generator = np.random.default_rng(2)
    x, w = generator.integers(0, 256, (2, 16, 6, 6)), generator.integers(0, 256, (5, 16, 3, 3))
    y = l1_conv2d(torch.tensor(x).float(), torch.tensor(w).float(), padding=1)
    assert np.array_equal(y.numpy(), brute_force(x, w, np.zeros((2, 5, 6, 6)), (1, 1), (1, 1), (1, 1), 1)[0])


def test_empty_batches_give_empty_results():
    x, w = torch.zeros(0, 2, 4, 4), torch.zeros(3, 2, 3, 3)
    assert l1_conv2d(x, w).shape == portable_forward(x, w, Geometry((1, 1), (0, 0), (1, 1), 1)).shape == (0, 3, 2, 2)


def test_loading_the_kernel_leaves_denormal_numbers_alone():
    l1_conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert (torch.tensor([1e-40]) * 0.5).item() > 0


def test_without_a_compiler_it_warns_once_and_computes_the_same(monkeypatch):
    x, w = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(5, 3, 3, 3, dtype=torch.float64)
    expected = l1_conv2d(x, w, padding=1)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    l1_native.load_library.cache_clear()
    l1_native._library.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"plain PyTorch, .* g\+\+ is not installed"):
            found = l1_conv2d(x, w, padding=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            l1_conv2d(x, w, padding=1)
    finally:
        l1_native._library.cache_clear()
    torch.testing.assert_close(found, expected)


def test_other_dtypes_take_the_portable_kernel():
    x = torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)
    assert l1_conv2d(x, torch.zeros(1, 1, 2, 2, dtype=torch.bfloat16)).item() == -4


@pytest.mark.parametrize(("x", "w", "message"), [
    (torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 1, 1), r"needs an input .* with 3 input channels, not \(1, 2, 4, 4\)"),
    (torch.zeros(2, 4, 4), torch.zeros(1, 2, 1, 1), "needs an input"),
    (torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 5, 5), "does not fit into a map"),
    (torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 1, 1).double(), "one dtype and device"),
])
def test_operands_that_do_not_fit_are_refused_before_the_kernel_reads_them(x, w, message):
    with pytest.raises(ValueError, match=message):
        l1_conv2d(x, w)


def test_groups_must_divide_the_outputs():
    with pytest.raises(LayerError, match="groups=2 must divide both the 4 input channels and the 3 output channels"):
        l1_conv2d(torch.zeros(1, 4, 4, 4), torch.zeros(3, 2, 1, 1), groups=2)


@pytest.mark.parametrize(("window", "message"), [
    ({"stride": 0}, "stride must be an integer of at least 1, or a pair of such, not 0"),
    ({"padding": "same"}, "padding must be an integer of at least 0, .* not 'same'"),
    ({"dilation": (1, 1, 1)}, "dilation must be an integer of at least 1"),
])
def test_windows_that_no_convolution_has_are_refused(window, message):
    with pytest.raises(LayerError, match=message):
        l1_conv2d(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 1, 1), **window)


MEMORY = """
import resource, sys, torch
from nomul.sw import l1
torch.set_num_threads(1)
if sys.argv[1] == "portable":
    l1.native_for = lambda x: False

def step(images, channels, size):
    x, w = torch.zeros(images, channels, size, size, requires_grad=True), torch.zeros(channels, channels, 3, 3)
    y = l1.l1_conv2d(x, w.requires_grad_(), padding=1)
    x_gradient, w_gradient = torch.autograd.grad(y, (x, w), torch.ones_like(y))
    return 4 * (x.numel() + y.numel() + w.numel())

step(1, 16, 16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
needed = step(4, 16, 256)
print(needed, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.parametrize("kernels", ["native", "portable"])
def test_memory_grows_with_input_and_output_and_not_with_their_product(kernels):
    script = subprocess.run([sys.executable, "-c", MEMORY, kernels], capture_output=True, text=True, check=True)
    needed, used = map(int, script.stdout.split())
    # All taps of all outputs would be 72 times as much as input, output and weights; unfolded inputs alone 4.5 times.
    # Of each gradient's size there are one or two copies: padded, gathered by channel, and the gradients themselves.
    assert used < 6 * needed
