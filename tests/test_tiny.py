"""The whole flow on one page: a tiny network, from random weights to bit-exact simulated hardware."""

import numpy as np
import pytest
import torch
from torch import nn

from nomul.cosim.link import SimulationLink
from nomul.gen.presets import load_config
from nomul.sw import golden
from nomul.sw.compile import compile_network
from nomul.sw.convert import convert
from nomul.sw.data import Dataset
from nomul.sw.driver.board import Board
from nomul.sw.layers import L1Conv2d, L1Linear, ShiftConv2d
from nomul.sw.quantize import QuantizationConfig, quantize_
from nomul.sw.train import Recipe, train

CLASSES = 3


def stripes(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy 6×6 images of horizontal, vertical and diagonal stripes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    y, x = np.mgrid[:6, :6]
    patterns = np.stack([y % 2, x % 2, (x + y) % 3 == 0]).astype(np.float32)
    images = np.clip(0.7 * patterns[labels] + rng.uniform(0, 0.3, (count, 6, 6)), 0, 1)
    return torch.from_numpy(images[:, None].astype(np.float32)), torch.from_numpy(labels)


@pytest.mark.cosim
def test_tiny_network_is_trained_quantized_compiled_pushed_and_bit_exact_on_hardware():
    # Train: every layer is free of multiplications.
    dataset = Dataset("stripes", *stripes(256, seed=0), *stripes(40, seed=1))
    torch.manual_seed(0)
    model = nn.Sequential(
        ShiftConv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        L1Conv2d(4, 4, 2), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Flatten(), L1Linear(16, CLASSES), nn.BatchNorm1d(CLASSES))
    assert train(model, dataset, Recipe(epochs=5, jitter=0)).accuracy > 90

    # Quantize, and ask the golden model.
    quantize_(model, dataset.train_images, QuantizationConfig())
    network = convert(model, "stripes")
    codes = network.encode_images(dataset.test_images.numpy())
    expected = golden.run(network, codes)

    # Compile for an accelerator, simulate it, push, run.
    config = load_config("tiny")
    compiled = compile_network(network, config)
    with Board(SimulationLink(config)) as board:
        board.push(compiled)
        result = board.run(codes)

    # The same bits, and still the right answers.
    np.testing.assert_array_equal(result.logits, expected)
    np.testing.assert_array_equal(result.top, expected.argmax(axis=1))
    assert np.mean(result.top == dataset.test_labels.numpy()) > 0.9
