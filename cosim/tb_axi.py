"""cocotb bench of the AXI peripheral: networks and images over DMA streams, registers, and packets that break rules."""

import itertools
import logging
import os
import random
import zlib
from collections.abc import Iterator

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from nomul.gen.spec.axi import AXI_ADDRESS_BITS, WORD_BASE, StreamError, axi_address
from nomul.gen.spec.frames import RUNS_KEPT
from nomul.gen.spec.registers import MAGIC, RESULT_HEADER, Region, Status, depth, word_bytes
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver import packets

#: Time that any one step may take, in microseconds at 10 ns a cycle.
PATIENCE = 4_000
WIDTH = int(os.environ["NOMUL_WIDTH"])


def coin(probability: float, dice: random.Random) -> Iterator[bool]:
    """Pauses as long as a coin says so."""
    return (dice.random() < probability for _ in itertools.count())


class Host:
    """A processor and its DMAs, which pause on every channel with probability `stall`."""

    def __init__(self, dut, stall: float):
        self.dut, self.dice = dut, random.Random(round(100 * stall) + 7)
        self.compiled = CompiledNetwork.load(os.environ["NOMUL_PROGRAM"])
        with np.load(os.environ["NOMUL_VECTORS"]) as vectors:
            self.images, self.logits = vectors["images"], vectors["logits"]
        reset = {"reset_active_level": False}
        self.lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, **reset)
        self.data, self.weights = (AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis_{name}"), dut.aclk,
                                                   dut.aresetn, **reset) for name in ("data", "weights"))
        self.results = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_results"), dut.aclk, dut.aresetn, **reset)
        write, read = self.lite.write_if, self.lite.read_if
        for part in (write, read, self.data, self.weights, self.results):
            part.log.setLevel(logging.WARNING)
        if stall:
            for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel,
                            self.data, self.weights, self.results):
                channel.set_pause_generator(coin(stall, random.Random(self.dice.random())))

    async def start(self) -> None:
        """Clock and reset."""
        Clock(self.dut.aclk, 10, unit="ns").start()
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, 5)
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 2)

    # Registers. ---------------------------------------------------------------------------------------------

    async def read(self, name: str) -> int:
        """A register."""
        answer = await with_timeout(self.lite.read(axi_address(name), 4), PATIENCE, "us")
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def write(self, name: str, value: int) -> None:
        """Writes a register."""
        answer = await with_timeout(self.lite.write(axi_address(name), value.to_bytes(4, "little")), PATIENCE, "us")
        assert answer.resp == AxiResp.OKAY

    async def errors(self) -> set[StreamError]:
        """What ERRORS says, and clears it."""
        value = await self.read("ERRORS")
        await self.write("ERRORS", value)
        return {error for error in StreamError if value >> error & 1}

    async def idle(self) -> None:
        """Waits until no run is at work."""
        while await self.read("STATUS") >> Status.BUSY & 1:
            pass

    # Streams. -----------------------------------------------------------------------------------------------

    async def send(self, source: AxiStreamSource, packet: bytes) -> None:
        """Sends a packet and waits until it has been taken."""
        await source.send(AxiStreamFrame(packet))
        await with_timeout(source.wait(), PATIENCE, "us")

    def image_bytes(self, images: np.ndarray) -> bytes:
        """Images as they are in a packet."""
        return b"".join(map(self.compiled.image_bytes, images))

    def sections(self) -> list[tuple[Region, np.ndarray]]:
        """Everything that the memories should hold."""
        program = np.ascontiguousarray(self.compiled.program, "<u4").reshape(-1).view(np.uint8).reshape(-1, 4)
        return [(Region.PROGRAM, program), (Region.WEIGHTS, self.compiled.weights),
                (Region.PARAMETERS, self.compiled.parameters)]

    def section(self, region: Region, words: np.ndarray, address: int = 0) -> bytes:
        """A section of a packet."""
        return packets.section(region, address, words, self.compiled.config, WIDTH)

    async def push(self) -> None:
        """Loads the network, in one packet, and reads checksums back."""
        await self.write("NETWORK_LOW", 0)
        await self.write("NETWORK_HIGH", 0)
        await self.send(self.weights, b"".join(self.section(region, words) for region, words in self.sections()
                                               if len(words)))
        for region, words in self.sections():
            if len(words):
                await self.write("CHECK_WHERE", region << 24)
                await self.write("CHECK_WORDS", len(words))
                while await self.read("CHECK_WORDS"):
                    pass
                assert await self.read("CHECKSUM") == zlib.crc32(words.tobytes()), region.name
        await self.write("IMAGE_BYTES", self.images[0].size)
        await self.write("STREAM_WORDS", len(self.compiled.stream))
        for name, value in self.compiled.registers().items():
            await self.write(name, value)
        assert await self.errors() == set()

    async def run(self, images: np.ndarray, logits: np.ndarray) -> None:
        """A packet of images, with the weights that they need, gives a packet of these logits."""
        await self.data.send(AxiStreamFrame(self.image_bytes(images)))
        if len(self.compiled.stream):
            for _ in images:
                await self.weights.send(AxiStreamFrame(self.section(Region.WEIGHT_STREAM, self.compiled.stream)))
        await self.receive(logits)

    async def receive(self, logits: np.ndarray) -> None:
        """The next packet of results has these logits."""
        packet = await with_timeout(self.results.recv(), PATIENCE, "us")
        found, top, cycles = packets.results(bytes(packet.tdata), self.compiled.classes, WIDTH)
        assert np.array_equal(found, logits), f"{found.tolist()} instead of {logits.tolist()}"
        assert np.array_equal(top, logits.argmax(axis=1))
        assert (cycles > 0).all()


async def started(dut, stall: float = 0.0) -> Host:
    """A host behind reset."""
    host = Host(dut, stall)
    await host.start()
    return host


async def loaded(dut, stall: float = 0.0) -> Host:
    """A host that has pushed its network."""
    host = await started(dut, stall)
    await host.push()
    return host


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.4])
async def logits_equal_the_reference(dut, stall):
    """Networks and images over the streams give the expected logits, with pauses on every channel."""
    host = await loaded(dut, stall)
    assert await host.read("MAGIC") == MAGIC
    config_hash = await host.read("CONFIG_HIGH") << 32 | await host.read("CONFIG_LOW")
    assert f"{config_hash:016x}" == host.compiled.config_hash
    assert await host.read("STREAM_BYTES") == WIDTH
    for images in (1, len(host.images), 2):
        await host.run(host.images[:images], host.logits[:images])
    assert await host.read("RUN") == (3 + len(host.images)) % 16
    assert await host.read("UNSENT") == 0
    assert await host.errors() == set()


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.4])
async def every_address_is_answered(dut, stall):
    """Addresses without a register, partial writes and read-only registers; reads and writes at once."""
    host = await started(dut, stall)
    known = {axi_address(name) for name in ("IMAGE_BYTES", "STREAM_BYTES", "NETWORK_LOW")}
    nothing = [axi_address("STREAM_BYTES") - 4, axi_address("CHECKSUM") + 4, WORD_BASE - 4, (1 << AXI_ADDRESS_BITS) - 4]
    for address in nothing:
        answer = await host.lite.read(address, 4)
        assert (answer.resp, answer.data) == (AxiResp.SLVERR, bytes(4)), hex(address)
        assert (await host.lite.write(address, b"abcd")).resp == AxiResp.SLVERR
    await host.write("IMAGE_BYTES", 0x12345678)
    for address, part in ((axi_address("IMAGE_BYTES"), b"x"), (axi_address("IMAGE_BYTES") + 1, b"xyz")):
        assert (await host.lite.write(address, part)).resp == AxiResp.SLVERR
    await host.write("STREAM_BYTES", 99)
    assert (await host.read("IMAGE_BYTES"), await host.read("STREAM_BYTES")) == (0x12345678, WIDTH)

    values = {}
    for n in range(30):
        address = host.dice.choice(sorted(known))
        values[address] = n
        write = cocotb.start_soon(host.write("NETWORK_HIGH", n))
        read = cocotb.start_soon(host.read("MAGIC"))
        await write
        assert await read == MAGIC
        assert await host.read("NETWORK_HIGH") == n


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.4])
async def packets_that_break_rules_are_dropped_and_named(dut, stall):
    """Each rule of the streams; the next packet is taken as if nothing had happened."""
    host = await started(dut, stall)
    config = host.compiled.config
    image = host.image_bytes(host.images[:1])
    words = host.compiled.weights if len(host.compiled.weights) else np.zeros((3, word_bytes(Region.WEIGHTS, config)),
                                                                              np.uint8)
    good = host.section(Region.WEIGHTS, words)
    await host.send(host.data, image + image)
    await host.idle()
    assert await host.errors() == {StreamError.NO_NETWORK}
    await host.push()

    async def image_packet(content: bytes, found: set[StreamError]) -> None:
        before = await host.read("RUN")
        await host.send(host.data, content)
        await ClockCycles(dut.aclk, len(content) + 20)
        assert await host.errors() == found
        assert await host.read("RUN") == before

    await image_packet(image[:-1], {StreamError.IMAGE_LENGTH})
    await image_packet(image[:1], {StreamError.IMAGE_LENGTH})
    for wrong in (0, depth(Region.INPUT, config) + 1):
        await host.write("IMAGE_BYTES", wrong)
        await image_packet(image, {StreamError.IMAGE_LENGTH})
    await host.write("IMAGE_BYTES", len(image))
    await host.run(host.images[:1], host.logits[:1])

    async def section_packet(content: bytes, found: set[StreamError]) -> None:
        await host.send(host.weights, content)
        await ClockCycles(dut.aclk, 20)
        assert await host.errors() == found

    end = depth(Region.WEIGHTS, config)
    await section_packet(host.section(Region.WEIGHTS, words, end - len(words) + 1) + good, {StreamError.SECTION})
    await section_packet(host.section(Region.WEIGHTS, words[:0]) + good, {StreamError.SECTION})
    for region in (Region.RESULTS, 77):
        header = (region << 24 | 1 << 32).to_bytes(max(8, WIDTH), "little")
        await section_packet(header + bytes(WIDTH), {StreamError.SECTION})
    await section_packet(good[:-WIDTH], {StreamError.SECTION_LENGTH})
    await section_packet(good[:-1], {StreamError.SECTION_LENGTH})
    await section_packet(good[:WIDTH], {StreamError.SECTION_LENGTH})
    await section_packet(good + good[:max(8, WIDTH)], {StreamError.SECTION_LENGTH})
    await section_packet(good + good, set())

    for region, first, count in ((Region.INPUT, 0, 1), (Region.PARAMETERS, depth(Region.PARAMETERS, config), 1),
                                 (99, 0, 1)):
        await host.write("CHECK_WHERE", region << 24 | first)
        await host.write("CHECK_WORDS", count)
        assert await host.read("CHECK_WORDS") == 0
        assert await host.errors() == {StreamError.CHECK}

    await host.write("RESULT_COUNT", config.result_words + 1)
    await host.send(host.data, image)
    if len(host.compiled.stream):
        await host.send(host.weights, host.section(Region.WEIGHT_STREAM, host.compiled.stream))
    await host.idle()
    await ClockCycles(dut.aclk, 20)
    assert await host.errors() == {StreamError.RESULT_COUNT}
    await host.write("RESULT_COUNT", host.compiled.classes)
    await host.run(host.images[:2], host.logits[:2])


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def runs_wait_for_room_for_their_results_and_registers_do_not(dut):
    """Nobody takes results: no more runs are started than are kept; later all of them come, in order."""
    host = await loaded(dut)
    host.results.pause = True
    count = RUNS_KEPT + 3
    chosen = np.arange(count) % len(host.images)
    await host.data.send(AxiStreamFrame(host.image_bytes(host.images[chosen])))
    if len(host.compiled.stream):
        for _ in range(count):
            await host.weights.send(AxiStreamFrame(host.section(Region.WEIGHT_STREAM, host.compiled.stream)))
    await host.idle()
    await ClockCycles(dut.aclk, 2_000)
    await host.idle()
    # The first record's first beat has left for the register behind which nobody takes it.
    assert await host.read("UNSENT") == RUNS_KEPT
    assert await host.read("RUN") == RUNS_KEPT
    host.results.pause = False
    await host.receive(host.logits[chosen])


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def halt_forgets_packets_and_results(dut):
    """In the middle of an image, of a section, and of results; then everything works."""
    host = await loaded(dut)
    image = host.image_bytes(host.images[:1])
    for _ in range(3):
        host.results.pause = True
        await host.data.send(AxiStreamFrame(image + image[:len(image) // 2]))
        if len(host.compiled.stream):
            await host.weights.send(AxiStreamFrame(host.section(Region.WEIGHT_STREAM, host.compiled.stream)))
        await host.weights.send(AxiStreamFrame(host.section(Region.ACTIVATIONS, np.zeros((1, word_bytes(
            Region.ACTIVATIONS, host.compiled.config)), np.uint8))[:max(8, WIDTH)]))
        await host.data.wait()
        await ClockCycles(dut.aclk, host.dice.randrange(400))
        await host.write("HALT", 1)
        await host.write("NETWORK_LOW", 0)      # ends a run that waits for weights
        await host.write("NETWORK_HIGH", 0)
        await host.idle()
        await ClockCycles(dut.aclk, 20)
        assert dut.m_axis_results_tvalid.value == 0
        host.results.clear()
        host.results.pause = False
        await host.weights.wait()
        assert await host.read("UNSENT") == 0
        await host.write("HALT", 0)
        for name in ("NETWORK_LOW", "NETWORK_HIGH"):
            await host.write(name, host.compiled.registers()[name])
        await host.errors()
        await host.run(host.images[:2], host.logits[:2])


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def words_of_a_memory_are_read_back(dut):
    """A single word, read through the registers, is the word that was pushed."""
    host = await loaded(dut)
    for region, words in host.sections():
        for address in (0, len(words) - 1) if len(words) else ():
            await host.write("CHECK_WHERE", region << 24 | address)
            await host.write("CHECK_WORDS", 1)
            while await host.read("CHECK_WORDS"):
                pass
            found = b"".join([(await host.lite.read(WORD_BASE + n, 4)).data for n in range(0, words.shape[1], 4)])
            assert found[:words.shape[1]] == words[address].tobytes(), f"{region.name} {address}"
    await host.run(host.images[:1], host.logits[:1])
    await host.write("CHECK_WHERE", Region.RESULTS << 24)
    await host.write("CHECK_WORDS", RESULT_HEADER + host.compiled.classes)
    while await host.read("CHECK_WORDS"):
        pass
    last = (await host.lite.read(WORD_BASE, 4)).data[:2]
    assert int.from_bytes(last, "little", signed=True) == host.logits[0, -1]
