import shutil
import warnings

import numpy as np
import pytest
import torch

from nomul.sw import l1
from nomul.sw.l1 import l1_conv2d, portable_forward, portable_input_gradient

#: (channels, height, width, outputs, kernel, stride, padding)
GEOMETRIES = [(3, 6, 5, 4, 3, 1, 1), (2, 8, 8, 17, 3, 2, 1), (5, 4, 4, 33, 1, 1, 0), (1, 7, 9, 3, 2, 3, 2),
              (4, 3, 3, 10, 3, 1, 0)]


def brute_force(x, w, g, stride, padding):
    """y, gradient of w, gradient of x, tap by tap in float64 from the definitions."""
    images, channels, height, width = x.shape
    outputs, _, kernel, _ = w.shape
    padded = np.zeros((images, channels, height + 2 * padding, width + 2 * padding))
    padded[:, :, padding:padding + height, padding:padding + width] = x
    rows = (height + 2 * padding - kernel) // stride + 1
    columns = (width + 2 * padding - kernel) // stride + 1
    y, w_gradient, x_gradient = np.zeros((images, outputs, rows, columns)), np.zeros(w.shape), np.zeros(padded.shape)
    for n, o, i, j in np.ndindex(y.shape):
        at = n, slice(None), slice(i * stride, i * stride + kernel), slice(j * stride, j * stride + kernel)
        y[n, o, i, j] = -np.abs(padded[at] - w[o]).sum()
        w_gradient[o] += (padded[at] - w[o]) * g[n, o, i, j]
        x_gradient[at] += np.clip(w[o] - padded[at], -1, 1) * g[n, o, i, j]
    return y, w_gradient, x_gradient[:, :, padding:padding + height, padding:padding + width]


def sample(geometry, dtype):
    channels, height, width, outputs, kernel, stride, padding = geometry
    generator = np.random.default_rng(1)
    x = generator.normal(size=(3, channels, height, width))
    w = generator.normal(size=(outputs, channels, kernel, kernel)) * 2
    g = generator.normal(size=l1_conv2d(torch.tensor(x), torch.tensor(w), stride, padding).shape)
    return [array.astype(dtype).astype(np.float64) for array in (x, w, g)], stride, padding


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 3e-5)])
def test_values_and_gradients_equal_a_loop_over_the_definitions(geometry, dtype, tolerance):
    arrays, stride, padding = sample(geometry, dtype)
    expected = brute_force(*arrays, stride, padding)
    x, w, g = (torch.tensor(array, dtype=getattr(torch, dtype)) for array in arrays)
    x.requires_grad_()
    w.requires_grad_()
    y = l1_conv2d(x, w, stride, padding)
    y.backward(g)
    for found, value in zip((y, w.grad, x.grad), expected, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_portable_kernels_equal_a_loop_over_the_definitions(geometry, monkeypatch):
    monkeypatch.setattr(l1, "_CHUNK", 1000)  # so that one call takes several chunks
    arrays, stride, padding = sample(geometry, "float64")
    y, _, x_gradient = brute_force(*arrays, stride, padding)
    x, w, g = map(torch.tensor, arrays)
    np.testing.assert_allclose(portable_forward(x, w, stride, padding).numpy(), y, rtol=1e-12)
    np.testing.assert_allclose(portable_input_gradient(x, w, g, stride, padding).numpy(), x_gradient, atol=1e-12)


def test_padded_taps_count_as_zeros():
    y = l1_conv2d(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 3, 3), 2.0), padding=1)
    assert y.item() == -18


def test_input_gradient_with_stride_two_reaches_every_row():
    # The published CUDA kernels lose contributions here: [1 2 1 1 0 0 0 0] along each side.
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
    arrays, stride, padding = sample(GEOMETRIES[0], "float64")
    x, w, g = map(torch.tensor, arrays)
    w.requires_grad_()
    plain, = torch.autograd.grad(l1_conv2d(x, w, stride, padding), w, g)
    scaled, = torch.autograd.grad(l1_conv2d(x, w, stride, padding, eta=0.2), w, g)
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
    assert np.array_equal(y.numpy(), brute_force(x, w, np.zeros((2, 5, 6, 6)), 1, 1)[0])


def test_empty_batches_give_empty_results():
    assert l1_conv2d(torch.zeros(0, 2, 4, 4), torch.zeros(3, 2, 3, 3)).shape == (0, 3, 2, 2)


def test_loading_the_kernel_leaves_denormal_numbers_alone():
    l1_conv2d(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1, 1))
    assert (torch.tensor([1e-40]) * 0.5).item() > 0


def test_without_a_compiler_it_warns_once_and_computes_the_same(monkeypatch):
    x, w = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(5, 3, 3, 3, dtype=torch.float64)
    expected = l1_conv2d(x, w, padding=1)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    l1.load_library.cache_clear()
    l1._library.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"plain PyTorch, .* g\+\+ is not installed"):
            found = l1_conv2d(x, w, padding=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            l1_conv2d(x, w, padding=1)
    finally:
        l1._library.cache_clear()
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
