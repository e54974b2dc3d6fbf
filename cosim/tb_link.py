"""cocotb bench of the framed link: a host that retries, a line that damages, a memory that checks every access."""

import random
import zlib
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

from nomul.cosim.bfm import bench_config, get_bytes, put_bytes, start
from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import ANSWER, END, Operation, Status, decode, encode
from nomul.gen.spec.registers import Region, depth, word_bytes
from nomul.hdl.bus import read_waits

#: Regions that are plain memories.
MEMORIES = (Region.PROGRAM, Region.WEIGHTS, Region.PARAMETERS, Region.ACTIVATIONS)


class Memory:
    """Answers the host bus, and knows which writes the request under way may make."""

    def __init__(self, dut: Any, config: Config):
        self.config = config
        self.words: dict[tuple[int, int], int] = {}
        self.allowed: dict[tuple[int, int], int] = {}
        self._dut = dut
        dut.bus__busy.value = dut.bus__pending.value = dut.bus__loaded.value = dut.bus__read_data.value = 0
        dut.bus__result_count.value, dut.bus__ready.value = 0, 1

    def read(self, region: Region, address: int, words: int) -> bytes:
        """The bytes that a read should give."""
        size = word_bytes(region, self.config)
        return b"".join(self.words.get((region, address + n), 0).to_bytes(size, "little") for n in range(words))

    async def serve(self) -> None:
        """Runs for ever."""
        delayed: list[int | None] = [None] * (1 + len(read_waits(None)))
        while True:
            await FallingEdge(self._dut.clk)
            answer = delayed.pop(0)
            self._dut.bus__read_data.value = random.getrandbits(16) if answer is None else answer
            await ReadOnly()
            key = (self._dut.bus__region.value.to_unsigned(), self._dut.bus__address.value.to_unsigned())
            if self._dut.bus__write_enable.value:
                data = self._dut.bus__write_data.value.to_unsigned()
                assert self.allowed.get(key) == data, f"wrote {data:#x} to {key}, which nobody asked for"
                self.words[key] = data
            delayed.append(self.words.get(key, 0) if self._dut.bus__read_enable.value else None)


class Host:
    """Sends one request at a time until it is answered; damages a share of the frames, both ways."""

    def __init__(self, dut: Any, damage: float, stall: float):
        self._dut, self._damage, self._stall = dut, damage, stall
        self._sequence, self._line = 0, bytearray()
        self.damaged = 0

    async def open(self) -> None:
        """Starts to listen, and agrees on the sequence number."""
        cocotb.start_soon(get_bytes(self._dut, "tx", into=self._line, stall=self._stall, dice=random.Random(2)))
        await self.request(Operation.SYNC, b"")

    def _mangle(self, line: bytes) -> bytes:
        """The line's bytes, or what a bad line makes of them."""
        if random.random() >= self._damage:
            return line
        self.damaged += 1
        position = random.randrange(len(line))
        kind = random.choice(["flip", "drop", "duplicate", "cut", "insert"])
        before, byte, after = line[:position], line[position], line[position + 1:]
        middle = {"flip": bytes([byte ^ 1 << random.randrange(8)]), "drop": b"", "duplicate": bytes([byte, byte]),
                  "cut": b"", "insert": bytes([random.randrange(256), byte])}[kind]
        return before + middle + (b"" if kind == "cut" else after)

    async def request(self, operation: Operation, payload: bytes) -> bytes:
        """The answer's payload, after the status."""
        sequence, self._sequence = self._sequence, (self._sequence + 1) & 255
        for _ in range(50):
            line = self._mangle(encode(sequence, operation, payload))
            await put_bytes(self._dut, "rx", line, stall=self._stall, dice=random.Random(random.random()))
            while (answer := await self._receive()) is not None:
                if answer[:2] == (sequence, operation | ANSWER):
                    assert answer[2][0] == Status.OK, f"status {answer[2][0]}"
                    return answer[2][1:]
        raise AssertionError("no answer to 50 repetitions")

    async def _receive(self) -> tuple[int, int, bytes] | None:
        """The next frame that arrives whole, or None after 3000 cycles without any byte."""
        silence, length = 0, len(self._line)
        while END not in self._line:
            await RisingEdge(self._dut.clk)
            silence = 0 if len(self._line) != length else silence + 1
            length = len(self._line)
            if silence > 3000:
                return None
        end = self._line.index(END)
        line = bytes(self._line[:end + 1])
        del self._line[:end + 1]
        return decode(self._mangle(line).split(bytes([END]))[0]) or await self._receive()


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(damage=[0.0, 0.3], stall=[0.0, 0.5])
async def every_request_is_carried_out_right(dut, damage, stall):
    """Whatever the line does, no wrong byte is ever written, and every answer is the right one."""
    config = bench_config()
    dut.rx__valid.value = dut.tx__ready.value = 0
    memory, host = Memory(dut, config), Host(dut, damage, stall)
    await start(dut)
    cocotb.start_soon(memory.serve())
    await host.open()
    for _ in range(25):
        region = random.choice(MEMORIES)
        size = word_bytes(region, config)
        words = random.randint(1, min(12, (config.frame_bytes - 8) // size))
        address = random.randint(0, depth(region, config) - words)
        where = bytes([region]) + address.to_bytes(3, "little")
        operation = random.choice([Operation.WRITE, Operation.WRITE, Operation.READ, Operation.CHECKSUM])
        if operation is Operation.WRITE:
            # Many of the two special characters of the line.
            data = bytes(random.choice([END, 0xDB, 0xDC, 0xDD, random.randrange(256)]) for _ in range(words * size))
            values = [int.from_bytes(data[n * size:(n + 1) * size], "little") for n in range(words)]
            memory.allowed = {(int(region), address + n): value for n, value in enumerate(values)}
            assert await host.request(operation, where + data) == b""
            assert memory.read(region, address, words) == data
        elif operation is Operation.READ:
            answer = await host.request(operation, where + (words * size).to_bytes(2, "little"))
            assert answer == memory.read(region, address, words)
        else:
            answer = await host.request(operation, where + words.to_bytes(4, "little"))
            assert answer == zlib.crc32(memory.read(region, address, words)).to_bytes(4, "little")
    assert bool(host.damaged) == (damage > 0)
