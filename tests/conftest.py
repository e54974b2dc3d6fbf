"""What all tests share."""

import os

import numpy as np
import pytest
from hypothesis import settings

from nomul.gen.spec.operators import Operator
from nomul.sw.network import ArrayLayer, IntegerNetwork, MaxPool, Tensor

# The same examples every time, and no deadline: a busy machine is no failure.
settings.register_profile("nomul", derandomize=True, deadline=None, database=None)
settings.load_profile("nomul")

# Test files run side by side, and threads that fight for cores wait for each other; the networks here are tiny.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def tiny_network() -> IntegerNetwork:
    """A random network with every operator that fits into the preset `tiny`."""
    rng = np.random.default_rng(0)

    def layer(name, source, operator, shape, shift, output, **options):
        weight = {Operator.L1: rng.integers(0, 256, shape),
                  Operator.SHIFT: rng.choice([-1, 1], shape) << rng.integers(0, 8, shape),
                  Operator.SIGN: rng.integers(-1, 2, shape)}[operator]
        values = {"stride": 1, "padding": 0, "lower": 0, "upper": 255} | options
        return ArrayLayer(name=name, input=source, operator=operator, weight=weight.astype(np.int16),
                          bias=rng.integers(-3000, 3000, shape[0]), shift=shift, output=output,
                          multiplier=rng.integers(-200, 200, shape[0]).astype(np.int32), **values)

    network = IntegerNetwork("tiny", 8, Tensor(1, 8, 8, exponent=-8), (
        layer("conv", "input", Operator.SHIFT, (6, 1, 3, 3), 12, Tensor(6, 8, 8, zero_point=128), padding=1),
        MaxPool("pool", "conv", (2, 2), 2, Tensor(6, 4, 4, zero_point=128)),
        layer("adder", "pool", Operator.L1, (5, 6, 3, 3), 10, Tensor(5, 2, 2, zero_point=128), padding=1, stride=2),
        layer("sign", "adder", Operator.SIGN, (5, 5, 1, 1), 9, Tensor(5, 2, 2, zero_point=128)),
        layer("logits", "sign", Operator.L1, (10, 5, 2, 2), 8, Tensor(10, 1, 1), lower=-32768, upper=32767),
    ), {})
    network.check()
    return network


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """The file of `tiny_network`."""
    path = tmp_path_factory.mktemp("network") / "tiny.network"
    tiny_network().save(path)
    return path
