import numpy as np
import pytest
from amaranth.sim import Simulator

from nomul.gen.guard import multiply_cells
from nomul.gen.spec.operators import Operator, decode
from nomul.hdl.pe import PROCESSING_ELEMENTS, L1Pe, ShiftPe, SignPe

from .hardware import small_config


def configuration(activation_bits, l1_weight_bits, shift_exponents):
    return small_config(activation_bits=activation_bits, l1_weight_bits=l1_weight_bits,
                        shift_exponents=shift_exponents)


CONFIGS = [configuration(2, 2, 2), configuration(5, 3, 4), configuration(8, 8, 8)]


def leaves(kind, config, pairs):
    """What the hardware and the model make of pairs (x, code)."""
    dut, seen = kind(config), []

    async def bench(ctx):
        for x, code in pairs:
            ctx.set(dut.x, x)
            ctx.set(dut.weight, code)
            seen.append(ctx.get(dut.leaf))

    sim = Simulator(dut)
    sim.add_testbench(bench)
    sim.run()
    assert seen == [dut.model(x, code, config) for x, code in pairs]
    return seen


def pairs_for(operator, config):
    """All activations with all codes, or, of 8-bit L1, every seventh and the corners."""
    xs, codes = range(1 << config.activation_bits), range(1 << config.operator_weight_bits(operator.key))
    if len(xs) * len(codes) > 1 << 14:
        xs = codes = sorted({*xs[::7], 1, 127, 128, 254, 255})
    return [(x, code) for x in xs for code in codes]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"A{config.activation_bits}")
def test_l1_leaf_gives_the_distance(config):
    pairs = pairs_for(Operator.L1, config)
    for (x, w), leaf in zip(pairs, leaves(L1Pe, config, pairs), strict=True):
        assert 2 * leaf - x + w == abs(x - w)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"A{config.activation_bits}")
@pytest.mark.parametrize("operator", [Operator.SHIFT, Operator.SIGN])
def test_shift_and_sign_leaves_are_products_but_for_one_of_negative_weights(operator, config):
    pairs = pairs_for(operator, config)
    weights = decode(operator, np.array([code for _, code in pairs]), config)
    assert weights.min() < 0 < weights.max()
    seen = leaves(PROCESSING_ELEMENTS[operator], config, pairs)
    for (x, _), weight, leaf in zip(pairs, weights, seen, strict=True):
        assert leaf + (weight < 0) == x * weight


def test_corners_worked_by_hand():
    config = configuration(8, 8, 8)
    assert leaves(L1Pe, config, [(255, 0), (0, 255), (7, 7), (8, 7)]) == [255, 0, 0, 1]
    plus, minus = 0b10_000, 0b11_000
    assert leaves(ShiftPe, config, [(255, plus | 7), (255, minus | 7), (0, minus | 7), (255, 0b01_111)]) \
        == [32640, -32641, -1, 0]
    assert leaves(SignPe, config, [(255, 0b10), (255, 0b11), (0, 0b11), (255, 0b01)]) == [255, -256, -1, 0]


@pytest.mark.parametrize("kind", [L1Pe, ShiftPe, SignPe])
def test_elements_have_no_multiplier(kind):
    for config in CONFIGS:
        assert multiply_cells(kind(config)) == []
