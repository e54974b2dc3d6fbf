import math
from dataclasses import replace

import pytest

from nomul.gen.spec.operators import Operator
from nomul.sw.compile import compile_network
from nomul.sw.energy_estimate import LayerEnergy, array_energy, estimate
from nomul.sw.report import report

from .hardware import small_config
from .test_sw_report import by_hand

CONFIG = small_config()     # 4 lanes × 4 columns, blocks of at most 8 pixels, accumulators of 24 bits
#: Picojoules of a bit: 3.7 for 16 bits of a register, six times that in a buffer.
REGISTER, BUFFER = 0.23125, 1.3875


def energies():
    return [estimate(layer, CONFIG) for layer in report(by_hand(), CONFIG).layers]


def test_energy_by_hand():
    conv, pool, total, out = energies()
    word, weight_word = 4 * 8, 4 * CONFIG.weight_bits
    block = compile_network(by_hand(), CONFIG).descriptors()[0]["block"]
    blocks = math.ceil(9 / block)
    # 1458 L1 operations of two additions; 126 words read and 18 written; 7 tiles of 4 words in each of 2 groups for
    # every block; 4 sums in each of 126 cycles.
    assert (conv.operations, conv.activations) == pytest.approx((1458 * 0.06, 144 * word * BUFFER))
    assert conv.weights == pytest.approx(blocks * 7 * 6 * weight_word * BUFFER)
    assert conv.accumulators == pytest.approx(126 * 4 * 24 * 2 * REGISTER)
    # 18 words are compared and 2 written; 4 words are added to 2.
    assert vars(pool) == pytest.approx(vars(LayerEnergy(18 * 4 * 0.03, 20 * word * BUFFER, 0, 0)))
    assert vars(total) == pytest.approx(vars(LayerEnergy(4 * 4 * 0.03, 6 * word * BUFFER, 0, 0)))
    # 24 shifts and additions; 4 words read, and logits are no activations; 4 tiles of 2 words; 4 sums in 4 cycles.
    assert vars(out) == pytest.approx(vars(LayerEnergy(
        24 * 0.054, 4 * word * BUFFER, 4 * 2 * weight_word * BUFFER, 4 * 4 * 24 * 2 * REGISTER)))


def test_total_is_the_sum():
    assert LayerEnergy(1, 20, 300, 4000).total == 4321


@pytest.mark.parametrize(("operator", "picojoules"), [(Operator.L1, 0.06), (Operator.SHIFT, 0.054),
                                                      (Operator.SIGN, 0.03)])
def test_an_operation_costs_what_the_tables_say(operator, picojoules):
    layer = replace(report(by_hand(), CONFIG).layers[0], kind=operator.key)
    assert estimate(layer, CONFIG).operations == pytest.approx(1458 * picojoules)


@pytest.mark.parametrize(("kind", "fields", "picojoules"), [
    ("l1", {}, 0.697), ("shift", {}, 1.024), ("shift", {"shift_exponents": 4}, 0.728), ("sign", {}, 0.622),
    ("sign", {"unified": True, "operators": ("l1", "sign")}, 0.788), ("l1", {"l1_weight_bits": 4}, None),
    ("shift", {"shift_exponents": 2}, None), ("sign", {"activation_bits": 6, "l1_weight_bits": 6}, None)])
def test_the_array_costs_what_was_measured(kind, fields, picojoules):
    layer = replace(report(by_hand(), CONFIG).layers[0], kind=kind)
    energy = array_energy(layer, small_config(**fields))
    assert energy == (None if picojoules is None else pytest.approx(1458 * picojoules))


def test_pooling_is_nothing_of_the_array():
    assert array_energy(report(by_hand(), CONFIG).layers[1], CONFIG) is None
