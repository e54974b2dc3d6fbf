"""Packing of small LUTs into LUT6, on netlists made by hand and against all possible packings."""

import random
from itertools import combinations

from nomul.gen.synth.lut6 import Packing, pack_lut6


def lut(output: int, *inputs: int | str) -> dict:
    ports = {f"I{index}": [net] for index, net in enumerate(inputs)}
    return {"type": f"LUT{len(inputs)}", "connections": {**ports, "O": [output]}}


def carry(*selects: int | str) -> dict:
    return {"type": "CARRY4", "connections": {"S": list(selects), "DI": ["0"] * 4, "CI": ["0"], "O": [90, 91, 92, 93]}}


def pack(*cells: dict) -> Packing:
    return pack_lut6({str(index): cell for index, cell in enumerate(cells)})


def test_no_luts_take_nothing():
    assert pack() == Packing(luts=0, pairs=0, passes=0)


def test_two_luts_share_one_up_to_five_inputs():
    assert pack(lut(10, 1, 2), lut(11, 3, 4, 5)) == Packing(luts=1, pairs=1, passes=0)
    assert pack(lut(10, 1, 2, 3), lut(11, 4, 5, 6)) == Packing(luts=2, pairs=0, passes=0)


def test_common_inputs_count_once():
    assert pack(lut(10, 1, 2, 3, 4), lut(11, 2, 3, 4, 5)).pairs == 1
    assert pack(lut(10, 1, 2, 3, 4, 5), lut(11, 5, 4, 3, 2, 1)).pairs == 1
    assert pack(lut(10, 1, 2, 3, 4, 5), lut(11, 5, 6)).pairs == 0


def test_constant_inputs_count_nothing():
    assert pack(lut(10, 1, 2, 3, "0", "1"), lut(11, 4, 5)).pairs == 1


def test_lut6_and_lut6_2_take_one_each():
    double = {"type": "LUT6_2", "connections": {**{f"I{i}": [i + 1] for i in range(6)}, "O5": [20], "O6": [21]}}
    assert pack(lut(10, 1, 2, 3, 4, 5, 6), double, lut(11, 1)) == Packing(luts=3, pairs=0, passes=0)


def test_inverter_is_a_small_lut():
    assert pack({"type": "INV", "connections": {"I": [1], "O": [10]}}, lut(11, 1, 2, 3, 4, 5)).pairs == 1


def test_luts_of_two_bits_of_a_carry_chain_take_one_each():
    adder = [lut(10 + bit, 1 + bit, 5 + bit) for bit in range(4)]
    assert pack(*adder, carry(10, 11, 12, 13)) == Packing(luts=4, pairs=0, passes=0)


def test_lut_of_a_carry_chain_takes_in_one_that_is_not():
    adder = [lut(10 + bit, 1 + bit, 5 + bit) for bit in range(4)]
    others = [lut(20 + bit, 30 + bit, 40 + bit) for bit in range(4)]
    assert pack(*adder, *others, carry(10, 11, 12, 13)) == Packing(luts=4, pairs=4, passes=0)


def test_luts_of_a_wide_multiplexer_take_one_each():
    multiplexer = {"type": "MUXF7", "connections": {"I0": [10], "I1": [11], "S": [3], "O": [12]}}
    assert pack(lut(10, 1, 2), lut(11, 1, 2), multiplexer).luts == 2


def test_select_inputs_without_lut_are_counted_apart():
    assert pack(lut(10, 1, 2), carry(10, 7, 8, "0")) == Packing(luts=1, pairs=0, passes=2)


def test_every_lut_takes_part_once():
    """One LUT1 cannot join two others."""
    assert pack(lut(10, 1), lut(11, 1, 2, 3, 4, 5), lut(12, 1, 6, 7, 8, 9)) == Packing(luts=2, pairs=1, passes=0)


def most_pairs(luts: list[tuple[frozenset, bool]]) -> int:
    """The largest number of pairs, by trying all."""
    best = 0
    for (i, (first, o6)), (j, (second, other_o6)) in combinations(enumerate(luts), 2):
        if len(first | second) <= 5 and not (o6 and other_o6):
            rest = [lut for index, lut in enumerate(luts) if index not in (i, j)]
            best = max(best, 1 + most_pairs(rest))
    return best


def test_packing_is_near_the_best_of_all():
    """No packing can exceed the best; one to which no pair can be added has at least half of its pairs."""
    generator = random.Random(3)
    total = best_total = 0
    for _ in range(60):
        inputs = [generator.sample(range(1, 10), generator.randint(1, 5)) for _ in range(6)]
        chained = [generator.random() < 0.4 for _ in inputs]
        cells = [lut(20 + index, *nets) for index, nets in enumerate(inputs)]
        selects = [20 + index for index, in_chain in enumerate(chained) if in_chain]
        pairs = pack(*cells, carry(*selects)).pairs
        best = most_pairs([(frozenset(nets), in_chain) for nets, in_chain in zip(inputs, chained, strict=True)])
        assert best <= 2 * pairs <= 2 * best
        total, best_total = total + pairs, best_total + best
    assert total >= 0.95 * best_total
