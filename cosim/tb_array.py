# amaranth: UnusedElaboratable=no
"""cocotb bench of the processing array: random and corner words with idle cycles, against NumPy."""

import random
from collections import deque

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, ReadOnly

from nomul.cosim.bfm import bench_config, start
from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator, decode, encode, fold
from nomul.hdl.array import ProcessingArray

TAG_BITS = 16
WORDS = 300


def pack(values: np.ndarray, bits: int) -> int:
    """Unsigned values side by side, the first one lowest."""
    return sum(int(value) << bits * n for n, value in enumerate(values.ravel()))


def sums(operator: Operator, x: np.ndarray, weights: np.ndarray, config: Config) -> np.ndarray:
    """What each column of the array gives: the sum over its lanes, without what is folded into the bias."""
    products = -np.abs(x - weights) if operator is Operator.L1 else x * weights
    return products.sum(axis=1) - fold(operator, weights, config)


def draw_weights(operator: Operator, config: Config, dice: np.random.Generator, n: int) -> np.ndarray:
    """Weights of a word: zeros, the largest, the smallest, or random."""
    limit = {Operator.L1: 2**config.l1_weight_bits, Operator.SHIFT: config.shift_exponents, Operator.SIGN: 1}[operator]
    shape = (config.columns, config.lanes)
    magnitude = [np.full(shape, limit - 1), np.zeros(shape, int), dice.integers(limit, size=shape)][min(n, 2)]
    if operator is Operator.L1:
        return magnitude
    return (1 << magnitude) * (dice.integers(-1, 2, size=shape) if n > 1 else -1)


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(operator=[op.key for op in Operator], idle=[0.0, 0.5])
async def sums_equal_numpy(dut, operator, idle):
    """Every word gives its sums exactly `latency` cycles later, its tag one before; new weights in every cycle."""
    config, operator = bench_config(), Operator.from_key(operator)
    if operator.key not in config.operators:
        return
    array = ProcessingArray(config, TAG_BITS)
    dice = np.random.default_rng(random.getrandbits(32))
    dut.i_valid.value, dut.i_operator.value, dut.weights.value = 0, int(operator), 0
    await start(dut)
    due: deque = deque()                # (cycle, tag, sums) of every word that is in the array
    weights = np.zeros((config.columns, config.lanes), int)
    sent = cycle = 0
    while sent < WORDS or due:
        await FallingEdge(dut.clk)
        dut.weights.value = pack(encode(operator, weights, config), config.weight_bits)
        valid = sent < WORDS and dice.random() >= idle
        dut.i_valid.value = int(valid)
        if valid:
            top = 2**config.activation_bits - 1
            x = [np.full(config.lanes, top), np.zeros(config.lanes, int),
                 dice.integers(top + 1, size=config.lanes)][min(int(dice.integers(8)), 2)]
            weights = draw_weights(operator, config, dice, int(dice.integers(8)))
            assert (decode(operator, encode(operator, weights, config), config) == weights).all()
            dut.i_activations.value, dut.i_tag.value = pack(x, config.activation_bits), sent
            due.append((cycle + array.latency, sent, sums(operator, x, weights, config)))
            sent += 1
        else:
            dut.i_activations.value = int.from_bytes(dice.bytes(config.lanes), "little") >> \
                config.lanes * (8 - config.activation_bits)
            weights = draw_weights(operator, config, dice, 2)
        await ReadOnly()
        announced = next((tag for at, tag, _ in due if at == cycle + 1), None)
        assert bool(dut.o_valid.value) == (announced is not None), f"cycle {cycle}: o_valid"
        assert announced is None or dut.o_tag.value.to_unsigned() == announced
        if due and due[0][0] == cycle:
            _, tag, columns = due.popleft()
            word, bits = dut.o_sums.value.to_unsigned(), array.sum_bits
            seen = [word >> bits * n & (1 << bits) - 1 for n in range(config.columns)]
            assert seen == columns.tolist(), f"word {tag}: {seen} instead of {columns.tolist()}"
        cycle += 1
