import random

import numpy as np
import pytest

from nomul.gen.spec.axi import SECTION_REGIONS, StreamError
from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import Region, depth, word_bytes
from nomul.hdl.axi.sections import SectionReceiver
from nomul.hdl.sim import simulate, stream_put
from nomul.sw.driver.packets import section

# Words of 3, 5, 4 and 17 bytes.
CONFIG = Config(name="test", lanes=4, columns=2, operators=("l1",), activation_bits=8, l1_weight_bits=6,
                accumulator_bits=23, program_layers=1, weight_words=24, parameter_words=9, activation_words=20,
                image_bytes=80, result_words=8, frame_bytes=64, weight_stream=True)
ERRORS = {StreamError.SECTION: "bad_section", StreamError.SECTION_LENGTH: "wrong_length",
          StreamError.NO_NETWORK: "no_network"}


def words(region, count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, word_bytes(region, CONFIG)), np.uint8)


def beats_of(packet, width):
    """A packet as beats, the last one with what is left of it."""
    beats = []
    for start in range(0, len(packet), width):
        part = packet[start:start + width]
        beats.append({"data": int.from_bytes(part, "little"), "keep": (1 << len(part)) - 1,
                      "last": start + width >= len(packet)})
    return beats


class Bus:
    """The receiver in front of a memory that takes words now and then, while runs start and end."""

    def __init__(self, packets, width, *, stall=0.0, loaded=True, stream_words=0, runs=0):
        self.memory, self.errors, self.streamed, self.owing = {}, [], [], 0
        dut, dice = SectionReceiver(CONFIG, width), random.Random(8)

        async def put(ctx):
            ctx.set(dut.loaded, loaded)
            ctx.set(dut.stream_words, stream_words)
            await stream_put(ctx, dut.i, [beat for packet in packets for beat in beats_of(packet, width)], stall=stall)
            for _ in range(40):
                await ctx.tick()
            self.owing = ctx.get(dut.owing)

        async def watch(ctx):
            client, busy, begun = dut.client, False, 0
            while True:
                ctx.set(dut.busy, busy)
                start = begun < runs and not ctx.get(dut.owing) and dice.random() < 0.2
                begun += start
                ctx.set(dut.start, start)
                taken = bool(ctx.get(client.request)) and dice.random() >= stall
                ctx.set(client.taken, taken)
                _, _, region, address, data, *errors = await ctx.tick().sample(
                    client.region, client.address, client.data, *(getattr(dut, name) for name in ERRORS.values()))
                self.errors += [error for error, strobe in zip(ERRORS, errors, strict=True) if strobe]
                if taken:
                    assert not busy or region in (Region.REGISTERS, Region.WEIGHT_STREAM)
                    content = (data & (1 << 8 * word_bytes(Region(region), CONFIG)) - 1).to_bytes(
                        word_bytes(Region(region), CONFIG), "little")
                    if region == Region.WEIGHT_STREAM:
                        self.streamed.append((begun, address, content))
                    else:
                        self.memory[region, address] = content
                busy = dice.random() < stall

        simulate(dut, put, background=[watch])


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("width", [4, 8, 16])
def test_words_of_every_region_arrive_where_the_headers_say(width, stall):
    packets, expected = [], {}
    for seed in range(4):
        dice, packet = random.Random(seed), b""
        for region in dice.sample([region for region in SECTION_REGIONS if region is not Region.WEIGHT_STREAM], 4):
            count = dice.randrange(1, depth(region, CONFIG) + 1)
            address, content = dice.randrange(depth(region, CONFIG) - count + 1), words(region, count, seed)
            packet += section(region, address, content, CONFIG, width)
            expected |= {(region, address + n): word.tobytes() for n, word in enumerate(content)}
        packets.append(packet)
    bus = Bus(packets, width, stall=stall)
    assert bus.memory == expected
    assert bus.errors == []


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_words_of_the_weight_stream_wait_for_their_run(stall):
    content = words(Region.WEIGHT_STREAM, 15)
    packets = [section(Region.WEIGHT_STREAM, 0, content[start:stop], CONFIG, 8)
               for start, stop in ((0, 4), (4, 5), (5, 15))]
    bus = Bus(packets, 8, stall=stall, stream_words=5, runs=3)
    assert bus.streamed == [(1 + n // 5, n % 5, word.tobytes()) for n, word in enumerate(content)]
    assert not bus.owing


def test_a_run_whose_words_have_not_come_is_owed_them():
    bus = Bus([section(Region.WEIGHT_STREAM, 0, words(Region.WEIGHT_STREAM, 4), CONFIG, 8)], 8, stream_words=5, runs=2)
    assert len(bus.streamed) == 4
    assert bus.owing


@pytest.mark.parametrize("width", [4, 8, 16])
def test_broken_sections_are_named_and_the_next_packet_is_taken(width):
    good = section(Region.WEIGHTS, 2, words(Region.WEIGHTS, 3), CONFIG, width)
    end = depth(Region.WEIGHTS, CONFIG)
    header = max(8, width)
    broken = {
        section(Region.WEIGHTS, end - 2, words(Region.WEIGHTS, 3), CONFIG, width): StreamError.SECTION,
        section(Region.PROGRAM, 0, words(Region.PROGRAM, 0), CONFIG, width) + bytes(width): StreamError.SECTION,
        (Region.INPUT << 24 | 1 << 32).to_bytes(header, "little") + bytes(width): StreamError.SECTION,
        (200 << 24 | 1 << 32).to_bytes(header, "little") + bytes(width): StreamError.SECTION,
        good[:header]: StreamError.SECTION_LENGTH,
        good[:-width]: StreamError.SECTION_LENGTH,
        good[:-1]: StreamError.SECTION_LENGTH,
    }
    for packet, error in broken.items():
        bus = Bus([packet, good], width)
        assert bus.errors == [error], (packet.hex(), error)
        assert {key for key in bus.memory if key[1] in (2, 3, 4)} >= {(Region.WEIGHTS, n) for n in (2, 3, 4)}


def test_weight_stream_without_a_network_is_dropped():
    good = section(Region.WEIGHTS, 0, words(Region.WEIGHTS, 1), CONFIG, 8)
    bus = Bus([section(Region.WEIGHT_STREAM, 0, words(Region.WEIGHT_STREAM, 4), CONFIG, 8), good], 8, loaded=False)
    assert bus.errors == [StreamError.NO_NETWORK]
    assert list(bus.memory) == [(Region.WEIGHTS, 0)]


def test_beats_of_one_word_are_taken_one_a_cycle():
    packet = section(Region.PROGRAM, 0, words(Region.PROGRAM, depth(Region.PROGRAM, CONFIG)), CONFIG, 4)
    dut, cycles = SectionReceiver(CONFIG, 4), 0

    async def put(ctx):
        nonlocal cycles
        ctx.set(dut.client.taken, 1)
        for beat in beats_of(packet, 4):
            ctx.set(dut.i.payload, beat)
            ctx.set(dut.i.valid, 1)
            while not (await ctx.tick().sample(dut.i.ready))[-1]:
                cycles += 1
            cycles += 1

    simulate(dut, put)
    assert cycles <= len(packet) // 4 + 2
