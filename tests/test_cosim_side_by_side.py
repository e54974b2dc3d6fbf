# amaranth: UnusedElaboratable=no
"""Sub-arrays of full width, each fabric's in one fast simulation with the published models of its cells."""

import numpy as np
import pytest

from nomul.cosim.side_by_side import SideBySide, fabric_verilog
from nomul.cosim.verilated import VerilatedModel, build
from nomul.gen.spec.operators import Operator, decode, encode, fold
from nomul.hdl.fabric import FABRICS
from nomul.hdl.pe import KINDS
from nomul.hdl.subarray import SubArray

from .hardware import small_config

pytestmark = pytest.mark.cosim
LANES, COLUMNS, CYCLES = 16, 2, 3000
#: Kinds, activation and L1 weight bits, exponents.
WIDTHS = [(tuple(KINDS), 8, 8, 8), (("shift",), 8, 8, 4), (tuple(KINDS), 5, 3, 2), (tuple(KINDS), 4, 4, 4)]


def sub_arrays(fabric):
    """Configurations and kinds by name: in the largest widths all of a tree's registers and none, then the former."""
    own, pipelined = (fabric.leaf_register, fabric.tree_levels_per_register), (True, 1)
    parts = {}
    for n, (kinds, bits, weight_bits, exponents) in enumerate(WIDTHS):
        for leaf_register, levels in sorted({own, pipelined, (False, 0)}) if n == 0 else [pipelined]:
            config = small_config(lanes=LANES, columns=COLUMNS, activation_bits=bits, l1_weight_bits=weight_bits,
                                  shift_exponents=exponents, leaf_register=leaf_register,
                                  tree_levels_per_register=levels)
            parts |= {f"{kind}{n}_leaf{leaf_register:d}_tree{levels}": (config, kind) for kind in kinds}
    return parts


def weights_of(kind, config):
    """All weight codes of a kind, smallest and largest weight first."""
    bits = config.activation_bits
    if kind == "unified":
        return np.array([0, 1 << bits, *range(1, 1 << bits)])
    if kind in ("l1", "minimum"):
        return np.array([0, (1 << config.l1_weight_bits) - 1, *range(1, (1 << config.l1_weight_bits) - 1)])
    weights = {"sign": [-1, 1, 0],
               "shift": [s << p for p in reversed(range(config.shift_exponents)) for s in (-1, 1)] + [0]}[kind]
    return encode(Operator.from_key(kind), np.array(weights), config).astype(np.int64)


def words(kind, config, seed):
    """Activations (cycles, lanes) and codes (cycles, columns, lanes): pairs of extremes, mixed ones, random ones."""
    dice, codes, top = np.random.default_rng(seed), weights_of(kind, config), (1 << config.activation_bits) - 1
    x = dice.integers(0, top + 1, (CYCLES, LANES))
    w = dice.choice(codes, (CYCLES, COLUMNS, LANES))
    x[:1000:2] = dice.choice([0, top], x[:1000:2].shape)
    w[:1000] = dice.choice(codes[:2], w[:1000].shape)
    for n in range(4):
        x[n], w[n] = (0, top)[n & 1], codes[n >> 1]
    return x, w


def definition(kind, config, x, w):
    """Σ op(x, w) and what the leaves leave out of it, both (cycles, columns), from the operators alone."""
    x = x[:, None, :]
    if kind == "unified":
        top = (1 << config.activation_bits) - 1
        plus = w > top
        distance = np.abs(x - w)
        return np.where(plus, x, -distance).sum(axis=2), np.where(plus, -top, -w - top).sum(axis=2)
    if kind == "minimum":
        return -np.abs(x - w).sum(axis=2), (w - (1 << config.activation_bits) + 1).sum(axis=2)
    operator = Operator.from_key(kind)
    weights = decode(operator, w, config)
    results = -np.abs(x - weights) if operator is Operator.L1 else x * weights
    return results.sum(axis=2), fold(operator, weights.reshape(-1, LANES), config).reshape(w.shape[:2])


def packed(values, bits):
    """Numbers of `bits` bits (cycles, count) as a wide port's 32-bit words (cycles, words), the first number lowest."""
    rows = (values[..., None] >> np.arange(bits) & 1).reshape(len(values), -1).astype(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 32)))
    return np.packbits(rows, axis=1, bitorder="little").view("<u4")


def unpacked(port, bits, count):
    """The inverse of `packed`, for `count` numbers, from what `VerilatedModel.run` returns."""
    rows = np.ascontiguousarray(port).reshape(len(port), -1).view(np.uint8)
    rows = np.unpackbits(rows, axis=1, bitorder="little")[:, :bits * count].reshape(len(port), count, bits)
    return rows.astype(np.int64) @ (1 << np.arange(bits))


@pytest.mark.parametrize("name", sorted(FABRICS.keys() - {"ice40up"}))      # which adds as ice40 does
def test_every_sub_array_of_full_width_is_its_definition_and_its_model(name):
    parts = sub_arrays(FABRICS[name])
    arrays = {part: SubArray(config, kind) for part, (config, kind) in parts.items()}
    # Compiling takes longer than 3000 cycles of the slowest code.
    model = VerilatedModel(build(fabric_verilog(SideBySide(arrays), "arrays", name), "arrays", optimize=0))
    inputs, outputs, stimuli = {}, [], {}
    for n, (part, (config, kind)) in enumerate(parts.items()):
        dut = arrays[part]
        stimuli[part] = x, w = words(kind, config, seed=n)
        bits = config.activation_bits
        # The last word again, until its sum is there.
        tail = [(0, 8), (0, 0)]
        inputs[f"{part}__activations"] = np.pad(packed((1 << bits) - 1 - x, bits), tail, mode="edge")
        inputs[f"{part}__weights"] = np.pad(packed(w.reshape(CYCLES, -1), dut.weight_bits), tail, mode="edge")
        if dut.latency:
            model.set(f"{part}__enables", (1 << dut.latency) - 1)
        outputs += [f"{part}__sums"] + [f"{part}__shared"] * hasattr(dut, "shared")
    seen = model.run(inputs, outputs)
    for part, (config, kind) in parts.items():
        dut, (x, w) = arrays[part], stimuli[part]
        delayed = slice(dut.latency, dut.latency + CYCLES)
        sums = unpacked(seen[f"{part}__sums"][delayed], dut.sum_bits, COLUMNS)
        total = sums
        if hasattr(dut, "shared"):
            shared = unpacked(seen[f"{part}__shared"][delayed], dut.shared_bits, 1)
            total = 2 * sums - shared
        results, folds = definition(kind, config, x, w)
        assert (total + folds == results).all(), part
        for n in (*range(100), *range(1000, 1100)):
            golden, complements = dut.model(x[n].tolist(), w[n].tolist())
            assert sums[n].tolist() == golden, part
            assert kind not in ("l1", "minimum", "unified") or shared[n, 0] == complements


def test_extremes_of_full_width_by_hand():
    """16 lanes of 8 bits: the largest distance, product and sum that there are."""
    config = small_config(lanes=16, columns=2)
    x, w = words("l1", config, seed=0)
    results, _ = definition("l1", config, x, w)
    assert results[:4, 0].tolist() == [0, -16 * 255, -16 * 255, 0]
    x, w = words("shift", config, seed=0)
    results, _ = definition("shift", config, x, w)
    assert results[:4, 1].tolist() == [0, -16 * 255 * 128, 0, 16 * 255 * 128]
    x, w = words("sign", config, seed=0)
    results, _ = definition("sign", config, x, w)
    assert results[:4, 0].tolist() == [0, -16 * 255, 0, 16 * 255]
