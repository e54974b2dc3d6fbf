import random

import pytest

from nomul.gen.spec.frames import END
from nomul.hdl.sim import simulate, stream_get, stream_put
from nomul.hdl.spi import SpiDevice, model

BYTES = [END, END, 0x00, 0xFF, 0x55, 0xAA, END, 0x01, END, END, END, 0x80, *random.Random(4).randbytes(12), END]
#: What the device must not say by itself.
WORDS = [0x00, 0xFF, 0x12, END, END, 0x80, *random.Random(5).randbytes(10)]


def waves(transfers, period, *, lead=4.0, gap=4.0, phase=0.0):
    """Lines at each clock cycle: (sck, cs_n, mosi) and whether the host looks at MISO. `period` need not be whole."""
    edges = [(0.0, (0, 1, 0, False))]
    time = 4 + phase
    for data in transfers:
        edges.append((time, (0, 0, 0, False)))
        time += lead - period / 2
        for bit in (byte >> n & 1 for byte in data for n in range(7, -1, -1)):
            edges.append((time, (0, 0, bit, False)))
            edges.append((time + period / 2, (1, 0, bit, True)))
            time += period
        edges.append((time, (0, 0, 0, False)))
        time += period / 2
        edges.append((time, (0, 1, 0, False)))
        time += gap
    lines, done = [], 0
    for cycle in range(int(time) + 12):
        looks = False
        while done < len(edges) and edges[done][0] <= cycle:
            looks |= edges[done][1][3]
            done += 1
        lines.append((*edges[done - 1][1][:3], looks))
    return lines


def exchange(transfers, period, words=(), *, stall=0.0, take=lambda cycle: True, **times):
    """Bytes that came out of the device's stream, and those that the host read."""
    dut, received, bits = SpiDevice(), [], []

    async def lines(ctx):
        for cycle, (sck, cs_n, mosi, looks) in enumerate(waves(transfers, period, **times)):
            ctx.set(dut.sck, sck)
            ctx.set(dut.cs_n, cs_n)
            ctx.set(dut.mosi, mosi)
            ctx.set(dut.o.ready, take(cycle))
            if looks:
                bits.append(ctx.get(dut.miso))
            _, _, valid, byte = await ctx.tick().sample(dut.o.valid & dut.o.ready, dut.o.payload)
            if valid:
                received.append(byte)

    async def speak(ctx):
        await stream_put(ctx, dut.i, words, stall=stall, seed=3)

    simulate(dut, lines, background=[speak])
    return received, [int("".join(map(str, bits[n:n + 8])), 2) for n in range(0, len(bits) - 7, 8)]


def test_model_by_hand():
    assert model(bytes([END, END, 1, END, END, 2, END])) == bytes([1, END, 2, END])
    assert model(b"") == b""
    assert model(bytes([0, 0])) == bytes([0, 0])


@pytest.mark.parametrize("period", [6, 6.5, 7.3, 25])
@pytest.mark.parametrize("phase", [0.0, 0.6])
def test_bytes_pass_both_ways_at_once(period, phase):
    received, read = exchange([BYTES], period, WORDS, phase=phase)
    assert bytes(received) == model(bytes(BYTES))
    assert read == WORDS + [END] * (len(BYTES) - len(WORDS))


@pytest.mark.parametrize("lengths", [[1] * 25, [3, 1, 0, 5, 16]])
def test_transfers_may_be_of_any_length(lengths):
    transfers = [BYTES[sum(lengths[:n]):sum(lengths[:n + 1])] for n in range(len(lengths))]
    received, read = exchange(transfers, 6, WORDS)
    assert bytes(received) == model(bytes(BYTES))
    assert read == WORDS + [END] * (len(BYTES) - len(WORDS))


@pytest.mark.parametrize("stall", [0.0, 0.9, 0.99])
def test_silence_of_the_device_is_END_and_no_byte_is_lost_or_doubled(stall):
    words = [byte for byte in WORDS if byte != END]
    received, read = exchange([[END] * 20] * 2, 6, words, stall=stall)
    assert received == []
    assert [byte for byte in read if byte != END] == words
    assert (END in read[:len(words)]) == (stall > 0)


def test_byte_cut_short_is_lost_and_the_next_transfer_begins_anew():
    dut, read = SpiDevice(), []

    async def host(ctx):
        async def send(bits):
            ctx.set(dut.cs_n, 0)
            await ctx.tick().repeat(4)
            for bit in bits:
                ctx.set(dut.mosi, bit)
                await ctx.tick().repeat(3)
                ctx.set(dut.sck, 1)
                read.append(ctx.get(dut.miso))
                await ctx.tick().repeat(3)
                ctx.set(dut.sck, 0)
            await ctx.tick().repeat(3)
            ctx.set(dut.cs_n, 1)
            await ctx.tick().repeat(4)

        await send([1, 1, 1])
        await send([0, 1, 0, 0, 0, 0, 0, 1])

    async def get(ctx):
        assert await stream_get(ctx, dut.o, 1) == [0x41]

    async def put(ctx):
        await stream_put(ctx, dut.i, [0x00, 0x42])

    simulate(dut, host, get, put)
    assert read == [0, 0, 0, *(0, 1, 0, 0, 0, 0, 1, 0)]


def test_byte_is_held_until_taken_and_what_comes_meanwhile_dropped():
    received, _ = exchange([[1, 2, 3, END, 4]], 6, take=lambda cycle: cycle > 4 + 4 * 48)
    assert received == [1, 4]


def test_clock_without_selection_is_ignored():
    dut = SpiDevice()

    async def host(ctx):
        for _ in range(40):
            ctx.set(dut.sck, 1)
            await ctx.tick().repeat(3)
            ctx.set(dut.sck, 0)
            await ctx.tick().repeat(3)
            assert not ctx.get(dut.o.valid)
            assert not ctx.get(dut.i.ready)

    simulate(dut, host)
