import random

import pytest

from nomul.hdl.axi.stream import ByteCutter, StreamInput, StreamOutput
from nomul.hdl.sim import simulate, stream_get, stream_put

WIDTH = 4


def random_beats(seed, count=60):
    """Beats with any `keep`, as a host without alignment would send them, none and all among them."""
    dice = random.Random(seed)
    return [{"data": dice.getrandbits(8 * WIDTH), "keep": dice.choice([15, 15, 0, 1, dice.randrange(16)]),
             "last": dice.random() < 0.3} for _ in range(count)]


def bytes_of(beats):
    """What they should be cut into."""
    cut = []
    for beat in beats:
        kept = [beat["data"] >> 8 * n & 0xFF for n in range(WIDTH) if beat["keep"] >> n & 1]
        cut += [(byte, 1, int(beat["last"] and n == len(kept) - 1)) for n, byte in enumerate(kept)]
        if beat["last"] and not kept:
            cut.append((None, 0, 1))
    return cut


@pytest.mark.parametrize(("put_stall", "get_stall"), [(0, 0), (0.4, 0), (0, 0.4), (0.5, 0.5)])
def test_beats_are_cut_into_the_bytes_that_count(put_stall, get_stall):
    beats = random_beats(round(10 * put_stall + get_stall))
    expected = bytes_of(beats)
    dut = ByteCutter(WIDTH)
    received = []

    async def put(ctx):
        await stream_put(ctx, dut.i, beats, stall=put_stall, seed=1)

    async def get(ctx):
        for payload in await stream_get(ctx, dut.o, len(expected), stall=get_stall, seed=2):
            received.append((payload.data if payload.keep else None, payload.keep, payload.last))

    simulate(dut, put, get)
    assert received == expected


def test_whole_beats_are_cut_at_a_byte_a_cycle():
    dut = ByteCutter(WIDTH)
    cycles = 0

    async def put(ctx):
        await stream_put(ctx, dut.i, [{"data": n, "keep": 15, "last": 0} for n in range(20)])

    async def get(ctx):
        nonlocal cycles
        ctx.set(dut.o.ready, 1)
        count = 0
        while count < 80:
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            count += valid
            cycles += 1

    simulate(dut, put, get)
    assert cycles <= 82


@pytest.mark.parametrize("stall", [0, 0.5])
def test_both_ends_of_the_bus_keep_every_beat_and_what_is_offered(stall):
    beats = random_beats(5)
    source, sink, received = StreamOutput(WIDTH), StreamInput(WIDTH), []
    dice = random.Random(3)

    async def put(ctx):
        await stream_put(ctx, source.i, beats, stall=stall, seed=1)

    async def take(ctx):
        offered = None
        while len(received) < len(beats):
            ready = dice.random() >= stall
            ctx.set(source.bus.tready, ready)
            *_, valid, value, keep, last = await ctx.tick().sample(
                source.bus.tvalid, source.bus.tdata, source.bus.tkeep, source.bus.tlast)
            now = (value, keep, last) if valid else None
            assert offered in (None, now), "a beat was withdrawn"
            offered = None if ready else now
            if ready and valid:
                received.append(now)

    simulate(source, put, take)
    expected = [(beat["data"], beat["keep"], int(beat["last"])) for beat in beats]
    assert received == expected
    received.clear()

    async def send(ctx):
        for value, keep, last in expected:
            while dice.random() < stall:
                await ctx.tick()
            for name, part in (("tdata", value), ("tkeep", keep), ("tlast", last), ("tvalid", 1)):
                ctx.set(getattr(sink.bus, name), part)
            while not (await ctx.tick().sample(sink.bus.tready))[-1]:
                pass
            ctx.set(sink.bus.tvalid, 0)

    async def get(ctx):
        for payload in await stream_get(ctx, sink.o, len(beats), stall=stall, seed=2):
            received.append((payload.data, payload.keep, payload.last))

    simulate(sink, send, get)
    assert received == expected


def test_cleared_output_offers_nothing():
    dut = StreamOutput(WIDTH)

    async def bench(ctx):
        await stream_put(ctx, dut.i, [{"data": 1, "keep": 15, "last": 1}])
        assert ctx.get(dut.bus.tvalid)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        assert not ctx.get(dut.bus.tvalid)

    simulate(dut, bench)
