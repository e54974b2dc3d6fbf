# amaranth: UnusedElaboratable=no
import random
import zlib
from dataclasses import replace

import pytest

from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE, decode, encode
from nomul.hdl.framing import FrameReceiver, FrameTransmitter
from nomul.hdl.sim import simulate, stream_get, stream_put

LIMIT = 64
CONFIG = Config(name="test", lanes=2, columns=2, operators=("sign",), frame_bytes=LIMIT)
SERIAL = replace(CONFIG, serial_crc=True)
AWKWARD = [
    (0, 0, b""),
    (END, ESCAPE, bytes([END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE])),
    (1, 2, bytes([END]) * LIMIT),
    (2, 2, bytes([ESCAPE]) * LIMIT),
    (255, 255, bytes([ESCAPE, ESCAPED_END] * 5)),
    (3, 4, bytes(LIMIT)),
    (4, 4, b"\xff"),
]


def receive(line, stall=0.0, config=CONFIG):
    """The frames that the receiver offers for the bytes of `line`, and how often it says bad."""
    dut = FrameReceiver(config)
    frames, bad = [], 0

    async def put(ctx):
        await stream_put(ctx, dut.i, line, stall=stall, seed=1)
        await ctx.tick().repeat(4 * LIMIT)

    async def take(ctx):
        dice = random.Random(2)
        while True:
            await ctx.tick()
            if not ctx.get(dut.frame.valid):
                continue
            header, payload = ctx.get(dut.frame.header), bytearray()
            for address in range(header.length):
                ctx.set(dut.frame.read, 1)
                ctx.set(dut.frame.address, address)
                await ctx.tick()
                payload.append(ctx.get(dut.frame.data))
            while dice.random() < stall:
                await ctx.tick()
            frames.append((header.sequence, header.operation, bytes(payload)))
            ctx.set(dut.frame.take, 1)
            await ctx.tick()
            ctx.set(dut.frame.take, 0)

    async def count(ctx):
        nonlocal bad
        while True:
            _, _, strobe = await ctx.tick().sample(dut.bad)
            bad += strobe

    simulate(dut, put, background=[take, count])
    return frames, bad


def expected(line):
    """What the specification's decoder makes of `line`."""
    *segments, _ = bytes(line).split(bytes([END]))
    decoded = [decode(segment) for segment in segments if segment]
    frames = [frame for frame in decoded if frame is not None and len(frame[2]) <= LIMIT]
    return frames, len(decoded) - len(frames)


def random_frame(dice, length):
    body = bytes(dice.choice([dice.randrange(256), END, ESCAPE]) for _ in range(length))
    return encode(dice.randrange(256), dice.randrange(256), body)


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_awkward_frames_are_received(stall):
    line = b"".join(encode(*frame) for frame in AWKWARD)
    assert receive(line, stall) == (AWKWARD, 0)


def test_empty_frames_are_no_error():
    line = bytes([END] * 3) + encode(1, 2, b"x") + bytes([END] * 2) + encode(2, 2, b"y")
    assert receive(line) == ([(1, 2, b"x"), (2, 2, b"y")], 0)


def test_frame_with_the_longest_payload_is_taken_and_one_byte_more_is_bad():
    line = encode(1, 2, bytes(LIMIT + 1)) + encode(2, 2, bytes(LIMIT)) + encode(3, 2, bytes(50 * LIMIT))
    assert receive(line) == ([(2, 2, bytes(LIMIT))], 2)


@pytest.mark.parametrize("damaged", [
    encode(5, 2, b"abc")[1:],
    encode(5, 2, b"abc")[:-2] + bytes([END]),
    encode(5, 2, b"abc").replace(b"b", b"B"),
    encode(5, 2, b"abc").replace(b"abc", b"acb"),
    bytes([ESCAPE, END]),
    bytes([ESCAPE, 0, END]),
    bytes([ESCAPE, ESCAPE, END]),
    encode(5, 2, bytes([END]))[:4] + bytes([ESCAPE]) + encode(5, 2, bytes([END]))[4:],
    bytes([0, END]),
    bytes(8) + bytes([END]),
])
def test_damaged_frame_is_discarded_and_the_next_one_taken(damaged):
    assert receive(damaged + encode(6, 2, b"next")) == ([(6, 2, b"next")], 1)


def test_length_field_must_agree_though_the_crc_is_right():
    body = bytes([1, 2, 9, 0]) + b"abc"
    register = 0xFFFFFFFF   # CRC-32 bit by bit, as IEEE 802.3 defines it
    for bit in (byte >> n & 1 for byte in body for n in range(8)):
        register = register >> 1 ^ (0xEDB88320 if (register ^ bit) & 1 else 0)
    body += (register ^ 0xFFFFFFFF).to_bytes(4, "little")
    assert not {END, ESCAPE} & set(body)
    assert receive(body + bytes([END])) == ([], 1)


@pytest.mark.parametrize("seed", range(6))
def test_line_with_faults_yields_what_the_specification_decodes(seed):
    dice = random.Random(seed)
    line = bytearray(dice.randbytes(20))
    for _ in range(25):
        line += random_frame(dice, dice.choice([0, 1, 7, LIMIT]))
    for _ in range(12):
        place = dice.randrange(len(line) - 4)
        match dice.randrange(4):
            case 0:
                line[place] ^= 1 << dice.randrange(8)
            case 1:
                del line[place]
            case 2:
                line.insert(place, line[place])
            case 3:
                del line[place:place + dice.randrange(1, 30)]
    line += bytes([END])
    assert receive(line, stall=seed / 10) == expected(line)


def transmit(frames, stall, config=CONFIG):
    dut = FrameTransmitter(config)
    line = b"".join(encode(*frame) for frame in frames)
    cycles = 0

    async def headers(ctx):
        await stream_put(ctx, dut.header, [
            {"sequence": sequence, "operation": operation, "length": len(payload)}
            for sequence, operation, payload in frames], stall=stall, seed=1)

    async def payloads(ctx):
        await stream_put(ctx, dut.payload, b"".join(payload for _, _, payload in frames), stall=stall, seed=2)

    async def get(ctx):
        assert bytes(await stream_get(ctx, dut.o, len(line), stall=stall, seed=3)) == line

    async def count(ctx):
        nonlocal cycles
        while True:
            await ctx.tick()
            cycles += 1

    simulate(dut, headers, payloads, get, background=[count])
    return cycles, len(line)


@pytest.mark.parametrize("config", [CONFIG, SERIAL])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_transmitter_writes_what_the_specification_encodes(stall, config):
    dice = random.Random(9)
    more = [(dice.randrange(256), dice.randrange(256), dice.randbytes(dice.randrange(40))) for _ in range(20)]
    transmit(AWKWARD + more, stall, config)


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_a_crc_of_a_bit_a_cycle_finds_the_same_frames(stall):
    dice = random.Random(11)
    line = bytearray(b"".join(encode(*frame) for frame in AWKWARD))
    for _ in range(20):
        line += random_frame(dice, dice.choice([0, 1, 7, LIMIT]))
    for _ in range(8):
        line[dice.randrange(len(line))] ^= 1 << dice.randrange(8)
    line += bytes([END])
    assert receive(line, stall, SERIAL) == expected(line)


def test_a_length_beyond_any_frame_is_bad():
    for length in (LIMIT + 1, 0x80, 0x0100 + 4, 0x8004):
        body = bytes([1, 2]) + length.to_bytes(2, "little") + bytes(4)
        line = body + zlib.crc32(body).to_bytes(4, "little") + bytes([END])
        assert receive(line) == ([], 1)


@pytest.mark.parametrize("config", [CONFIG, SERIAL])
def test_the_transmitter_absorbs_bytes_into_its_crc_between_frames(config):
    dut, content, frame = FrameTransmitter(config), random.Random(3).randbytes(30), (7, 130, b"abc")

    async def bench(ctx):
        for _ in range(2):
            ctx.set(dut.absorb, 1)
            await stream_put(ctx, dut.payload, content)
            assert ctx.get(dut.crc) == zlib.crc32(content)
            ctx.set(dut.absorb, 0)
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            ctx.set(dut.header.payload, {"sequence": frame[0], "operation": frame[1], "length": len(frame[2])})
            ctx.set(dut.header.valid, 1)
            await ctx.tick().until(dut.header.ready)
            ctx.set(dut.header.valid, 0)
            await stream_put(ctx, dut.payload, frame[2])

    async def get(ctx):
        for _ in range(2):
            line = encode(*frame)
            assert bytes(await stream_get(ctx, dut.o, len(line))) == line

    simulate(dut, bench, get)


def test_transmitter_gives_a_byte_a_cycle_within_a_frame():
    cycles, length = transmit([(1, 2, bytes(500))], 0.0, replace(CONFIG, frame_bytes=512))
    assert cycles <= length + 4
