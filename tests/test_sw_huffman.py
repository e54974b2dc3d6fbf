import heapq
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nomul.sw.huffman import MAX_LENGTH, HuffmanError, code_lengths, decode, encode, entropy


def _huffman_bits(frequencies):
    """Bits of the code without a limit, by the textbook's heap."""
    heap, bits = [int(frequency) for frequency in frequencies], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        bits += both
        heapq.heappush(heap, both)
    return bits


def test_section_worked_by_hand():
    # 7 four times, 2 twice, 5 and 9 once each: codes 0, 10, 110, 111, that is bits 0 0 10 110 0 10 111 0
    section = encode(np.array([7, 7, 2, 5, 7, 2, 9, 7]))
    assert section[:3] == b"\x08\0\0"
    assert section[3:33] == b"\1\0\1\0\2\0" + bytes(24)
    assert section[33:41] == bytes([7, 0, 2, 0, 5, 0, 9, 0])
    assert section[41:] == _pack("00101100101110")


def _pack(bits):
    """Bits in the order of the stream, the first one lowest in its byte."""
    return bytes(int(bits[at:at + 8][::-1], 2) for at in range(0, len(bits), 8))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 511), max_size=200), max_size=4))
def test_every_section_comes_back(sections):
    found = decode(b"".join(encode(np.array(each, np.int64)) for each in sections))
    assert [each.tolist() for each in found] == sections


@pytest.mark.parametrize("seed", range(8))
def test_lengths_are_those_of_huffman_where_the_limit_is_far(seed):
    frequencies = np.random.default_rng(seed).integers(1, 50, size=2 + 37 * seed)
    lengths = code_lengths(frequencies)
    assert int((lengths * frequencies).sum()) == _huffman_bits(frequencies)
    assert sum(2.0 ** -lengths) == 1


def test_lengths_stay_within_the_limit_and_cost_the_least():
    fibonacci = [1, 1]
    while len(fibonacci) < 30:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = code_lengths(np.array(fibonacci))
    assert lengths.max() == MAX_LENGTH
    assert sum(2.0 ** -lengths) == 1


def test_lengths_cost_the_least_of_all_that_fit():
    frequencies = np.array([1, 1, 3, 9, 20, 60])
    for limit in (3, 4, 5):
        best = min(int(np.dot(lengths, frequencies)) for lengths in product(range(1, limit + 1), repeat=6)
                   if sum(2.0 ** -np.array(lengths)) <= 1)
        assert int(np.dot(code_lengths(frequencies, limit), frequencies)) == best


def test_one_symbol_takes_a_bit_and_all_symbols_fit():
    assert len(encode(np.full(80, 300))) == 3 + 30 + 2 + 10
    every = np.arange(512)
    assert decode(encode(every))[0].tolist() == every.tolist()
    assert len(encode(every)) == 3 + 30 + 2 * 512 + 512 * 9 // 8


def test_entropy_of_known_distributions():
    assert entropy(np.array([3, 3, 3])) == 0
    assert entropy(np.array([])) == 0
    assert entropy(np.array([0, 1, 0, 1])) == 1
    assert entropy(np.array([0, 0, 1, 2])) == 1.5


def test_truncated_streams_and_bits_without_a_code_are_refused():
    whole = encode(np.array([1, 2, 3, 4, 4, 4]))
    for size in range(1, len(whole)):
        with pytest.raises(HuffmanError, match="end within section 0"):
            decode(whole[:size])
    alone = bytearray(encode(np.full(8, 5)))
    alone[-1] = 0xFF
    with pytest.raises(HuffmanError, match="end within section 0|weight 0 of section 0 has no code"):
        decode(bytes(alone) + bytes([0xFF]))


@pytest.mark.parametrize("wrong", [-1, 512])
def test_weights_out_of_range_are_refused(wrong):
    with pytest.raises(HuffmanError, match="weight codes must be 0 to 511"):
        encode(np.array([1, wrong]))


def test_too_many_symbols_for_the_limit_are_refused():
    with pytest.raises(HuffmanError, match="9 symbols have no codes of at most 3 bits"):
        code_lengths(np.ones(9, np.int64), 3)
