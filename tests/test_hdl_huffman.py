# amaranth: UnusedElaboratable=no
import random

import numpy as np
import pytest

from nomul.hdl.huffman import HuffmanDecoder
from nomul.hdl.sim import simulate, stream_get, stream_put
from nomul.sw.huffman import encode


def decode(dut, sends, count, stall=0.0, seed=0):
    """The first `count` words of each of `sends`, with a restart before every one; and `failed` at each end."""
    found, failed = [], []

    async def source(ctx):
        for n, (data, size) in enumerate(zip(sends, count, strict=True)):
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            await stream_put(ctx, dut.i, data, stall=stall, seed=seed + n)
            await ctx.tick().repeat(400)        # enough for what is left of a byte, also with stalls
            failed.append(ctx.get(dut.failed))
            assert len(found) == n + 1, f"{size} words expected"

    async def sink(ctx):
        for n, size in enumerate(count):
            words = await stream_get(ctx, dut.o, size, stall=stall, seed=100 + seed + n)
            found.append([list(word) for word in words])
            while len(failed) <= n:
                await ctx.tick()

    simulate(dut, source, sink, limit=200_000)
    return found, failed


def laplace(seed, size, bits):
    """Weight codes as networks have them: few values often, most of them rarely."""
    values = np.random.default_rng(seed).laplace(scale=(1 << bits) / 20, size=size)
    return np.clip(np.rint(values + (1 << bits - 1)), 0, (1 << bits) - 1).astype(np.int64)


def words(weights, lanes):
    return weights[:len(weights) // lanes * lanes].reshape(-1, lanes).tolist()


@pytest.mark.parametrize("stall", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("lanes", "bits"), [(1, 1), (4, 4), (16, 8), (3, 9)])
def test_words_are_the_weights_that_were_coded(lanes, bits, stall):
    weights = laplace(bits, 5 * lanes + 30 * (stall < 0.9), bits)
    sections = encode(weights[:lanes + 1]) + encode(weights[:0]) + encode(weights[lanes + 1:])
    expected = words(weights, lanes)
    found, failed = decode(HuffmanDecoder(lanes, bits), [sections], [len(expected)], stall)
    assert found == [expected]
    assert failed == [0]
    assert HuffmanDecoder.model(lanes, bits, sections) == (expected, False)


def test_longest_codes_one_symbol_and_all_symbols():
    counts = [1, 1]
    while len(counts) < 18:
        counts.append(counts[-1] + counts[-2])
    longest = np.repeat(np.arange(18), counts)[::-1][-3000:]
    longest = longest[:len(longest) // 4 * 4]
    for weights in (longest[-400:], np.full(40, 300), np.arange(512)):
        expected = words(weights, 4)
        assert decode(HuffmanDecoder(4, 9), [encode(weights)], [len(expected)])[0] == [expected]


@pytest.mark.parametrize("seed", range(12))
def test_after_any_damage_a_restart_works_and_until_then_model_and_hardware_agree(seed):
    dice = random.Random(seed)
    weights = laplace(seed, 48, 4)
    whole = encode(weights)
    damaged = bytearray(whole)
    for _ in range(dice.randint(1, 4)):
        damaged[dice.randrange(len(damaged))] = dice.getrandbits(8)
    damaged = bytes(damaged[:dice.randint(1, len(damaged))]) if seed % 3 == 0 else bytes(damaged)
    wrong, failed = HuffmanDecoder.model(4, 4, damaged)
    expected = words(weights, 4)
    found, flags = decode(HuffmanDecoder(4, 4), [damaged, whole], [len(wrong), len(expected)], stall=0.2, seed=seed)
    assert found == [wrong, expected]
    assert flags == [failed, False]


def test_bits_without_a_code_and_too_many_symbols_fail_and_bytes_are_still_taken():
    no_code = bytearray(encode(np.full(8, 5)))
    no_code[-1:] = b"\xff\xff\xff" + bytes(50)
    many = b"\1\0\0" + b"\x11\0" + bytes(28 + 2 * 17)
    good = encode(np.arange(8))
    for wrong in (bytes(no_code), many):
        assert HuffmanDecoder.model(4, 4, wrong) == ([], True)
        found, failed = decode(HuffmanDecoder(4, 4), [wrong, good], [0, 2])
        assert found == [[], [[0, 1, 2, 3], [4, 5, 6, 7]]]
        assert failed == [1, 0]


@pytest.mark.parametrize(("lanes", "bits", "message"), [
    (0, 4, "^lanes must be at least 1, not 0$"), (4, 0, "^weight_bits must be 1 to 9, not 0$"),
    (4, 10, "^weight_bits must be 1 to 9, not 10$")])
def test_wrong_arguments(lanes, bits, message):
    with pytest.raises(ValueError, match=message):
        HuffmanDecoder(lanes, bits)
