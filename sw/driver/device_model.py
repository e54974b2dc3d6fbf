"""A device in plain Python: memories, registers and link as the hardware has them, for tests and dry runs."""

import zlib
from collections.abc import Callable, Sequence

from nomul.gen.spec.config import INTERFACE_VERSION, Config
from nomul.gen.spec.frames import ANSWER, END, Operation, Status, decode, encode
from nomul.gen.spec.registers import MAGIC, REGISTERS, Region, address_of, depth, word_bytes
from nomul.gen.spec.registers import Status as StatusBit

__all__ = ["DeviceModel"]

_SUBJECT_BYTES = 4
_RUN_ANSWER_BYTES = 1 + 4 + 2


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
        What RUN does; the results (signed) go to RESULTS, the index of the largest to TOP.

    Attributes
    ----------
    memories : dict of Region to bytearray
        Contents, words little-endian; INPUT holds the image's bytes.
    """

    def __init__(self, config: Config, run: Callable[[dict[Region, bytearray]], tuple[Sequence[int], int]]):
        self._config, self._run = config, run
        self.memories = {region: bytearray(depth(region, config) * word_bytes(region, config)) for region in Region}
        self._word_bits = {
            Region.WEIGHTS: config.weight_word_bits,
            Region.PARAMETERS: config.parameter_word_bits,
            Region.ACTIVATIONS: config.activation_word_bits,
        }
        self._set("MAGIC", MAGIC)
        self._set("INTERFACE", INTERFACE_VERSION)
        self._set("CONFIG_LOW", int(config.hash[8:], 16))
        self._set("CONFIG_HIGH", int(config.hash[:8], 16))
        self._line, self._answers = bytearray(), bytearray()
        self._expected, self._answered = 0, False

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
            answer = bytes([Status.OK]) + self._carry_out(operation, payload, repeated)
        except _RefusalError as refusal:
            answer = bytes([refusal.status])
        self._answers += encode(sequence, operation | ANSWER, answer)

    def _nak(self) -> None:
        self._answers += encode(self._expected, Operation.NAK | ANSWER, bytes([Status.OK]))

    def _carry_out(self, operation: int, payload: bytes, repeated: bool) -> bytes:
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
                return zlib.crc32(self.memories[region][start:stop]).to_bytes(4, "little")
            case Operation.RUN:
                return self._run_image(payload, repeated)
        raise _RefusalError(Status.BAD_OPERATION)

    def _span(self, subject: bytes, *, count: int = 0, words: int = 0, writing: bool = False) -> tuple:
        """Region, first and last (exclusive) byte of `count` bytes or of `words` words; refuses what is not there."""
        if subject[0] not in list(Region) or subject[0] == (Region.RESULTS if writing else Region.INPUT):
            raise _RefusalError(Status.BAD_ADDRESS)
        region, address = Region(subject[0]), int.from_bytes(subject[1:4], "little")
        size = word_bytes(region, self._config)
        stop = address * size + (count or words * size)
        if stop == address * size or count % size:
            raise _RefusalError(Status.BAD_LENGTH)
        if stop > len(self.memories[region]):
            raise _RefusalError(Status.BAD_ADDRESS)
        return region, address * size, stop

    def _read(self, payload: bytes) -> bytes:
        if len(payload) != _SUBJECT_BYTES + 2:
            raise _RefusalError(Status.BAD_LENGTH)
        count = int.from_bytes(payload[_SUBJECT_BYTES:], "little")
        if 1 + count > self._config.frame_bytes:
            raise _RefusalError(Status.BAD_LENGTH)
        region, start, stop = self._span(payload, count=count)
        return bytes(self.memories[region][start:stop])

    def _write(self, payload: bytes) -> bytes:
        if len(payload) < _SUBJECT_BYTES:
            raise _RefusalError(Status.BAD_LENGTH)
        content = payload[_SUBJECT_BYTES:]
        region, start, stop = self._span(payload, count=len(content), writing=True)
        if region is Region.REGISTERS:
            for n in range(0, len(content), 4):
                if REGISTERS[(start + n) // 4].writable:
                    self.memories[region][start + n:start + n + 4] = content[n:n + 4]
            loaded = self.register("NETWORK_LOW") or self.register("NETWORK_HIGH")
            self._set("STATUS", bool(loaded) << StatusBit.LOADED)
        else:
            size = word_bytes(region, self._config)
            mask = (1 << self._word_bits.get(region, 8 * size)) - 1
            for n in range(0, len(content), size):
                word = int.from_bytes(content[n:n + size], "little") & mask
                self.memories[region][start + n:start + n + size] = word.to_bytes(size, "little")
        return b""

    def _run_image(self, image: bytes, repeated: bool) -> bytes:
        config, count = self._config, self.register("RESULT_COUNT")
        if not self.register("STATUS") >> StatusBit.LOADED & 1:
            raise _RefusalError(Status.NO_NETWORK)
        if count > config.result_words or _RUN_ANSWER_BYTES + 2 * count > config.frame_bytes:
            raise _RefusalError(Status.BAD_LENGTH)
        if len(image) > len(self.memories[Region.INPUT]):
            raise _RefusalError(Status.BAD_ADDRESS)
        if not repeated:
            self.memories[Region.INPUT][:len(image)] = image
            results, cycles = self._run(self.memories)
            for n, value in enumerate(results):
                self.memories[Region.RESULTS][2 * n:2 * n + 2] = int(value).to_bytes(2, "little", signed=True)
            self._set("CYCLES", cycles)
            self._set("TOP", max(range(len(results)), key=results.__getitem__, default=0))
        return cycles.to_bytes(4, "little") + self.register("TOP").to_bytes(2, "little") \
            + bytes(self.memories[Region.RESULTS][:2 * count])
