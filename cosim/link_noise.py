"""Many frames through a bad line: is any byte wrong, and does any request get lost without a word?"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nomul.cosim.faults import Faults, FaultyLink
from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import Operation
from nomul.gen.spec.program import DESCRIPTOR_WORDS
from nomul.gen.spec.registers import Region
from nomul.sw.driver.device_model import DeviceModel
from nomul.sw.driver.link import ByteLink, LinkError
from nomul.sw.driver.transport import MAX_WINDOW, Request, Transport

__all__ = ["NoiseResult", "link_noise"]

#: Bytes of a word of the memory that is written and read, and words of most requests and of the longest.
_WORD, _SHORT, _LONG = 4, 12, 60
#: The memory is read and compared as a whole after so many requests.
_BATCH = 2_000
#: Seconds of silence after which something is taken for lost; simulated ones.
_TIMEOUT = 0.005


@dataclass
class NoiseResult:
    """What became of the requests, each of which is a frame, as is its answer.

    Attributes
    ----------
    frames, delivered, reported : int
        Requests in all; those whose right answer came; those that ended in an error that the caller saw.
    wrong : int
        Answers that were not right, and words in memory that nobody wrote.
    attempts, faults : int
        Requests that were sent, those that were sent again included; bytes that were damaged, lost or doubled.
    line_bytes : int
        Bytes that were sent, in both directions.
    seconds : float
        How long it took.
    """

    frames: int = 0
    delivered: int = 0
    reported: int = 0
    wrong: int = 0
    attempts: int = 0
    faults: int = 0
    line_bytes: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


class _Counted:
    """Counts frames and bytes on the way to and from a link."""

    def __init__(self, link: ByteLink):
        self._link = link
        self.frames = self.bytes = 0

    def write(self, data: bytes) -> None:
        self.frames += 1
        self.bytes += len(data)
        self._link.write(data)

    def read(self, timeout: float) -> bytes:
        data = self._link.read(timeout)
        self.bytes += len(data)
        return data

    def close(self) -> None:
        self._link.close()


def link_noise(frames: int, rate: float, config: Config, *, seed: int = 0, link: ByteLink | None = None,
               progress: Callable[[int, int], None] | None = None) -> NoiseResult:
    """Sends random requests to write and read a memory, and checks every answer and the memory.

    Parameters
    ----------
    frames : int
        How many requests.
    rate : float
        Probability of a flipped bit, of a lost byte and of a doubled one, each, for every byte of either direction.
    config : Config
        The device's.
    seed : int
        Of requests and faults.
    link : ByteLink, optional
        To a device of this configuration; by default its model in Python.
    progress : function of (requests done, requests in all), optional
        Called now and then.
    """
    clean = link or DeviceModel(config, lambda memories: ([], 0))
    bad = FaultyLink(clean, Faults.noise(rate, seed))
    counted = _Counted(bad)
    random.seed(seed)       # where the driver's sequence numbers begin
    traffic = _Traffic(config, seed)
    transport, check = Transport(counted, timeout=_TIMEOUT), Transport(clean, timeout=_TIMEOUT)
    result, begin = NoiseResult(), time.perf_counter()
    for start in range(0, frames, _BATCH):
        traffic.left = min(_BATCH, frames - start)
        while traffic.left:
            try:
                for [answer] in transport.exchange(traffic.groups()):
                    result.wrong += answer != traffic.sent.popleft().answer
                    result.delivered += 1
            except LinkError:
                traffic.doubt()
        result.wrong += traffic.settle(_memory(check, config))
        if progress:
            progress(start + _BATCH, frames)
    result.frames, result.attempts, result.faults = frames, counted.frames, bad.faults
    result.reported = traffic.doubted
    result.line_bytes, result.seconds = counted.bytes, time.perf_counter() - begin
    return result


def _memory(transport: Transport, config: Config) -> bytes:
    """The whole memory, over the clean line."""
    words, room = _words(config), (config.frame_bytes - 1) // _WORD
    transport.synchronize()
    requests = ([_request(Operation.READ, start, (_WORD * min(room, words - start)).to_bytes(2, "little"))]
                for start in range(0, words, room))
    return b"".join(answer for [answer] in transport.exchange(requests))


def _words(config: Config) -> int:
    return config.program_layers * DESCRIPTOR_WORDS


def _request(operation: Operation, address: int, rest: bytes) -> Request:
    return Request(operation, bytes([Region.PROGRAM]) + address.to_bytes(3, "little") + rest)


@dataclass
class _Asked:
    """A request under way: the answer that is right, where it writes, what, and what was there before."""

    answer: bytes
    address: int
    written: bytes = b""
    before: bytes = b""


class _Traffic:
    """Random requests, and what the memory holds after each.

    Every request may be carried out twice, so a read could see what a write behind it has written; here, as in the
    driver, such two are never under way together.

    `sent` are those without an answer so far. After an error some of them may have been carried out and others not
    (`doubt`, which counts them in `doubted`), so each of their words may be in memory; `settle` finds out.
    """

    def __init__(self, config: Config, seed: int):
        self._dice = random.Random(seed)
        self._words, self._longest = _words(config), min(_LONG, (config.frame_bytes - 4) // _WORD)
        self._held = bytearray(_WORD * self._words)
        self._unsure: dict[int, set[bytes]] = {}
        self.sent: deque[_Asked] = deque()
        self._read: deque[range] = deque(maxlen=MAX_WINDOW)     # words of the last requests that read
        self.left = self.doubted = 0

    def groups(self) -> Iterator[list[Request]]:
        """So many requests as are `left`, each as a group."""
        while self.left:
            self.left -= 1
            yield [self._next()]

    def doubt(self) -> None:
        """Requests without an answer may have been carried out or not: there was an error."""
        self.doubted += len(self.sent)
        for asked in self.sent:
            for n in range(0, len(asked.written), _WORD):
                self._unsure.setdefault(asked.address + n // _WORD, set()).update(
                    {asked.before[n:n + _WORD], asked.written[n:n + _WORD]})
        self.sent.clear()

    def _next(self) -> Request:
        dice = self._dice
        longest = self._longest if dice.random() < 0.05 else min(_SHORT, self._longest)
        words = dice.randint(1, longest)
        address = dice.randrange(self._words - words + 1)
        places = range(address, address + words)
        read = any(places.start < other.stop and other.start < places.stop for other in self._read)
        unsure = any(place in self._unsure for place in places)
        if read and unsure:
            return self._next()
        if unsure or not read and dice.random() < 0.5:
            self._read.append(range(0))
            content = dice.randbytes(_WORD * words)
            span = slice(_WORD * address, _WORD * (address + words))
            self.sent.append(_Asked(b"", address, content, bytes(self._held[span])))
            self._held[span] = content
            return _request(Operation.WRITE, address, content)
        self._read.append(places)
        self.sent.append(_Asked(bytes(self._held[_WORD * address:_WORD * (address + words)]), address))
        return _request(Operation.READ, address, (_WORD * words).to_bytes(2, "little"))

    def settle(self, memory: bytes) -> int:
        """Words of the memory that nobody can have written; what it holds is sure from now on."""
        wrong = 0
        if memory != self._held:
            for place in range(self._words):
                word = memory[_WORD * place:_WORD * (place + 1)]
                wrong += word != self._held[_WORD * place:_WORD * (place + 1)] and \
                    word not in self._unsure.get(place, ())
        self._held[:], self._unsure = memory, {}
        return wrong
