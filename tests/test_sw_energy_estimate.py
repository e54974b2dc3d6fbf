import math
from dataclasses import replace

import pytest

from nomul.gen.spec.operators import Operator
from nomul.sw.compile import compile_network
from nomul.sw.energy_estimate import LayerEnergy, estimate
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
