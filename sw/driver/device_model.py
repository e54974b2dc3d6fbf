"""A device in plain Python: memories, registers and link as the hardware has them, for tests and dry runs."""

import zlib
from collections.abc import Callable, Sequence

from nomul.gen.spec.config import INTERFACE_VERSION, Config
from nomul.gen.spec.frames import ANSWER, END, RUN_NUMBERS, RUNS_KEPT, Operation, Status, decode, encode
from nomul.gen.spec.registers import (
    MAGIC,
    REGISTERS,
    RESULT_HEADER,
    RUN_BIT,
    Region,
    address_of,
    depth,
    word_bytes,
)
from nomul.gen.spec.registers import Status as StatusBit
from nomul.sw.huffman import HuffmanError
from nomul.sw.huffman import decode as decode_weights

__all__ = ["DeviceModel"]

_SUBJECT_BYTES = 4


class _RefusalError(Exception):
    def __init__(self, status: Status):
        self.status = status


class DeviceModel:
    """A `ByteLink` with a device at its other end that answers at once.

    Parameters
    ----------
    config : Config
        The configuration that the device is "generated" from.
    run : function of the memories, returning (results, cycles)
        What a run does, which waits until it is asked for, or the next image comes; so that all weights are there.

    Attributes
    ----------
    memories : dict of Region to bytearray
        Contents, words little-endian; INPUT holds the image's bytes, and
        WEIGHT_STREAM what has come of the run's weights.
    """

    def __init__(self, config: Config, run: Callable[[dict[Region, bytearray]], tuple[Sequence[int], int]]):
        self._config, self._run = config, run
        stored = [region for region in Region if region not in (Region.CODED_WEIGHTS, Region.WEIGHT_STREAM)]
        self.memories: dict[Region, bytearray] = {
            region: bytearray(depth(region, config) * word_bytes(region, config)) for region in stored}
        self.memories[Region.WEIGHT_STREAM] = bytearray()
        self._coded = bytearray()
        self._word_bits = {
            Region.WEIGHTS: config.weight_word_bits,
            Region.PARAMETERS: config.parameter_word_bits,
            Region.ACTIVATIONS: config.activation_word_bits,
        }
        self._set("MAGIC", MAGIC)
        self._set("INTERFACE", INTERFACE_VERSION)
        self._set("CONFIG_LOW", int(config.hash[8:], 16))
        self._set("CONFIG_HIGH", int(config.hash[:8], 16))
        self._set("STATUS", config.counters << StatusBit.COUNTERS)
        self._line, self._answers = bytearray(), bytearray()
        self._expected, self._answered = 0, False
        #: What FINISH answers for each run that is kept, by its number modulo `RUNS_KEPT`.
        self._kept = [bytes(len(self.memories[Region.RESULTS]))] * RUNS_KEPT
        self._started = False

    # ByteLink. ----------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Takes bytes of the line and answers every frame that they complete."""
        *frames, rest = (bytes(self._line) + data).split(bytes([END]))
        self._line = bytearray(rest)
        for line in frames:
            if line:
                self._receive(line)

    def read(self, timeout: float) -> bytes:
        """The bytes of all answers since the last call; never waits."""
        answers = bytes(self._answers)
        self._answers.clear()
        return answers

    def close(self) -> None:
        """Nothing to do."""

    # Device. ------------------------------------------------------------------------------------------------

    def register(self, name: str) -> int:
        """Value of a register."""
        start = 4 * address_of(name)
        return int.from_bytes(self.memories[Region.REGISTERS][start:start + 4], "little")

    def _set(self, name: str, value: int) -> None:
        start = 4 * address_of(name)
        self.memories[Region.REGISTERS][start:start + 4] = value.to_bytes(4, "little")

    def _receive(self, line: bytes) -> None:
        frame = decode(line)
        if frame is None or len(frame[2]) > self._config.frame_bytes:
            self._set("FRAME_ERRORS", self.register("FRAME_ERRORS") + 1)
            return self._nak()
        sequence, operation, payload = frame
        repeated = self._answered and sequence == (self._expected - 1) & 0xFF
        if not (operation == Operation.SYNC or sequence == self._expected or repeated):
            return self._nak()
        self._expected, self._answered = (sequence + 1) & 0xFF, True
        try:
            answer = bytes([Status.OK]) + self._carry_out(operation, payload)
        except _RefusalError as refusal:
            answer = bytes([refusal.status])
        self._answers += encode(sequence, operation | ANSWER, answer)

    def _nak(self) -> None:
        self._answers += encode(self._expected, Operation.NAK | ANSWER, bytes([Status.OK]))

    def _carry_out(self, operation: int, payload: bytes) -> bytes:
        match operation:
            case Operation.SYNC:
                if payload:
                    raise _RefusalError(Status.BAD_LENGTH)
                return self._config.frame_bytes.to_bytes(2, "little")
            case Operation.READ:
                return self._read(payload)
            case Operation.WRITE:
                return self._write(payload)
            case Operation.CHECKSUM:
                if len(payload) != _SUBJECT_BYTES + 4:
                    raise _RefusalError(Status.BAD_LENGTH)
                region, start, stop = self._span(payload, words=int.from_bytes(payload[4:], "little"))
                self._complete()
                return zlib.crc32(self.memories[region][start:stop]).to_bytes(4, "little")
            case Operation.START:
                return self._start(payload)
            case Operation.FINISH:
                return self._finish(payload)
        raise _RefusalError(Status.BAD_OPERATION)

    def _span(self, subject: bytes, *, count: int = 0, words: int = 0, writing: bool = False) -> tuple:
        """Region, first and last (exclusive) byte of `count` bytes or of `words` words; refuses what is not there."""
        if subject[0] not in list(Region) or (subject[0] == Region.RESULTS if writing else subject[0] >= Region.INPUT):
            raise _RefusalError(Status.BAD_ADDRESS)
        region, address = Region(subject[0]), int.from_bytes(subject[1:4], "little")
        if region in (Region.INPUT, Region.WEIGHT_STREAM):
            address &= (1 << RUN_BIT) - 1
        size = word_bytes(region, self._config)
        stop = address * size + (count or words * size)
        if stop == address * size or count % size:
            raise _RefusalError(Status.BAD_LENGTH)
        if stop > depth(region, self._config) * size:
            raise _RefusalError(Status.BAD_ADDRESS)
        return region, address * size, stop

    def _read(self, payload: bytes) -> bytes:
        if len(payload) != _SUBJECT_BYTES + 2:
            raise _RefusalError(Status.BAD_LENGTH)
        count = int.from_bytes(payload[_SUBJECT_BYTES:], "little")
        if 1 + count > self._config.frame_bytes:
            raise _RefusalError(Status.BAD_LENGTH)
        region, start, stop = self._span(payload, count=count)
        self._complete()
        return bytes(self.memories[region][start:stop])

    def _write(self, payload: bytes) -> bytes:
        if len(payload) < _SUBJECT_BYTES:
            raise _RefusalError(Status.BAD_LENGTH)
        content = payload[_SUBJECT_BYTES:]
        region, start, stop = self._span(payload, count=len(content), writing=True)
        if region is Region.CODED_WEIGHTS:
            return self._decode(start, content)
        run = int.from_bytes(payload[1:4], "little") >> RUN_BIT
        if region is Region.WEIGHT_STREAM:
            if run == self.register("RUN") and self._started:
                self._stream(start, content)
            return b""
        if region is Region.INPUT and run != self._following():
            return b""
        if region is Region.REGISTERS:
            for n in range(0, len(content), 4):
                if REGISTERS[(start + n) // 4].writable:
                    self.memories[region][start + n:start + n + 4] = content[n:n + 4]
            loaded = self.register("NETWORK_LOW") or self.register("NETWORK_HIGH")
            self._set("STATUS", bool(loaded) << StatusBit.LOADED | self._config.counters << StatusBit.COUNTERS)
            self._started &= bool(loaded)
        else:
            self._complete()
            size = word_bytes(region, self._config)
            mask = (1 << self._word_bits.get(region, 8 * size)) - 1
            for n in range(0, len(content), size):
                word = int.from_bytes(content[n:n + size], "little") & mask
                self.memories[region][start + n:start + n + size] = word.to_bytes(size, "little")
        return b""

    def _decode(self, address: int, content: bytes) -> bytes:
        """Takes the next bytes of coded weights; whole sections appear in the memory."""
        for n, byte in enumerate(content, start=address):
            if n == 0:
                self._coded.clear()
            if n == len(self._coded):
                self._coded.append(byte)
        try:
            sections = decode_weights(bytes(self._coded))
        except HuffmanError:    # not yet, or never
            return b""
        lanes, bits = self._config.lanes, self._config.weight_bits
        size = word_bytes(Region.WEIGHTS, self._config)
        weights = [int(weight) for section in sections for weight in section]
        for n in range(0, len(weights) - lanes + 1, lanes):
            word = sum(weight << bits * lane for lane, weight in enumerate(weights[n:n + lanes]))
            self.memories[Region.WEIGHTS][n // lanes * size:(n // lanes + 1) * size] = word.to_bytes(size, "little")
        return b""

    def _stream(self, start: int, content: bytes) -> None:
        """Takes those words of the run's weights that come next; `start` counts modulo the addresses that there are."""
        stream, size = self.memories[Region.WEIGHT_STREAM], word_bytes(Region.WEIGHT_STREAM, self._config)
        for n in range(0, len(content), size):
            if start + n == len(stream) % (size << RUN_BIT):
                stream += content[n:n + size]

    def _following(self) -> int:
        return (self.register("RUN") + 1) % RUN_NUMBERS

    def _start(self, payload: bytes) -> bytes:
        if not payload:
            raise _RefusalError(Status.BAD_LENGTH)
        self._check_loaded()
        run, image = payload[0] % RUN_NUMBERS, payload[1:]
        if len(image) > len(self.memories[Region.INPUT]):
            raise _RefusalError(Status.BAD_ADDRESS)
        if run == self._following():
            self._complete()
            self.memories[Region.INPUT][:len(image)] = image
            self.memories[Region.WEIGHT_STREAM].clear()
            self._set("RUN", run)
            self._started = True
        return b""

    def _complete(self) -> None:
        """The run that was started, if its end was not yet needed."""
        if not self._started:
            return
        self._started = False
        results, cycles = self._run(self.memories)
        top = max(range(len(results)), key=results.__getitem__, default=0)
        words = [cycles & 0xFFFF, cycles >> 16, top, *(int(value) & 0xFFFF for value in results)]
        content = b"".join(word.to_bytes(2, "little") for word in words)
        place = self.register("RUN") % RUNS_KEPT
        self._kept[place] = content + self._kept[place][len(content):]
        self.memories[Region.RESULTS][:] = self._kept[place]
        for name, value in (("CYCLES", cycles), ("TOP", top)):
            self._set(name, value)

    def _finish(self, payload: bytes) -> bytes:
        if len(payload) != 1:
            raise _RefusalError(Status.BAD_LENGTH)
        self._check_loaded()
        if (self.register("RUN") - payload[0]) % RUN_NUMBERS >= RUNS_KEPT:
            raise _RefusalError(Status.BAD_RUN)
        count = 2 * (RESULT_HEADER + self.register("RESULT_COUNT"))
        if count > min(len(self.memories[Region.RESULTS]), self._config.frame_bytes - 1):
            raise _RefusalError(Status.BAD_LENGTH)
        self._complete()
        return bytes(self._kept[payload[0] % RUNS_KEPT][:count])

    def _check_loaded(self) -> None:
        if not self.register("STATUS") >> StatusBit.LOADED & 1:
            raise _RefusalError(Status.NO_NETWORK)
