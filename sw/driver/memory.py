"""The memory map of a board, through the link: words of regions, cut into frames."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.frames import Operation
from nomul.gen.spec.registers import Region, word_bytes
from nomul.sw.driver.transport import Request, Transport

__all__ = ["SUBJECT_BYTES", "BoardError", "MemoryAccess", "Section", "write_request"]

#: Payload bytes that say what a request is about: region and address.
SUBJECT_BYTES = 4
#: Regions whose words are as long in every configuration.
_FIXED = {Region.REGISTERS: 4, Region.PROGRAM: 4, Region.RESULTS: 2, Region.INPUT: 1, Region.CODED_WEIGHTS: 1}


class BoardError(NomulError):
    """A board that is not the right one, or does not hold what it should."""


class Section(NamedTuple):
    """Consecutive words of a region, little-endian."""

    region: Region
    address: int
    content: bytes


def _subject(region: Region, address: int) -> bytes:
    return bytes([region]) + address.to_bytes(SUBJECT_BYTES - 1, "little")


def write_request(piece: Section) -> list[Request]:
    """The request that writes a section that fits into a frame, as a group of its own."""
    return [Request(Operation.WRITE, _subject(piece.region, piece.address) + piece.content)]


class MemoryAccess:
    """Reads, writes and checks words of any length; what does not fit into a frame takes several.

    Of regions whose words depend on the configuration, such as WEIGHTS, `config` must be known.

    Parameters
    ----------
    transport : Transport
        To the board.
    """

    def __init__(self, transport: Transport):
        self._transport = transport
        self.config: Config | None = None

    def read(self, region: Region, address: int, words: int) -> bytes:
        """Words of a region, little-endian.

        Raises
        ------
        RefusedError
            If the board has no such words to read.
        LinkError
            If it does not answer.
        """
        size, count = self._word_bytes(region), words * self._word_bytes(region)
        room = self.room(1)
        room -= room % size
        requests = ([Request(Operation.READ, _subject(region, address + start // size)
                             + min(room, count - start).to_bytes(2, "little"))] for start in range(0, count, room))
        return b"".join(answer for [answer] in self._transport.exchange(requests))

    def write(self, region: Region, address: int, data: bytes) -> None:
        """Writes whole words from `address` on; raises as `read` does."""
        for _ in self.send([Section(region, address, data)]):
            pass

    def send(self, sections: Iterable[Section]) -> Iterator[int]:
        """Writes sections; yields how many bytes have arrived in all after each frame, and raises as `read` does."""
        done = 0
        sent: deque[int] = deque()

        def groups() -> Iterator[list[Request]]:
            for section in sections:
                for piece in self.pieces(section, self.room(SUBJECT_BYTES)):
                    sent.append(len(piece.content))
                    yield write_request(piece)

        for _ in self._transport.exchange(groups()):
            done += sent.popleft()
            yield done

    def checksum(self, region: Region, address: int, words: int) -> int:
        """CRC-32 (the one of zlib) of words of a region, found by the board; raises as `read` does."""
        payload = _subject(region, address) + words.to_bytes(4, "little")
        return int.from_bytes(self._transport.request(Operation.CHECKSUM, payload), "little")

    def checksums(self, sections: Iterable[Section]) -> Iterator[int]:
        """CRC-32, found by the board, of what lies where each section should; raises as `read` does."""
        requests = ([self.checksum_request(section)] for section in sections)
        for [answer] in self._transport.exchange(requests):
            yield int.from_bytes(answer, "little")

    def checksum_request(self, section: Section) -> Request:
        """The question for the checksum of what lies where a section should."""
        words = len(section.content) // self._word_bytes(section.region)
        return Request(Operation.CHECKSUM, _subject(section.region, section.address) + words.to_bytes(4, "little"))

    def pieces(self, section: Section, room: int) -> Iterator[Section]:
        """The section cut into pieces of whole words and at most `room` bytes."""
        size = self._word_bytes(section.region)
        room -= room % size
        for start in range(0, len(section.content), room):
            yield Section(section.region, section.address + start // size, section.content[start:start + room])

    @property
    def frame_bytes(self) -> int:
        """Longest payload of a frame, of which an answer's status is a byte; asks the board if it is not known."""
        return self.room()

    def room(self, overhead: int = 0) -> int:
        """Bytes that fit into a payload beside `overhead` others."""
        if not self._transport.frame_bytes:
            self._transport.synchronize()
        return self._transport.frame_bytes - overhead

    def _word_bytes(self, region: Region) -> int:
        if region in _FIXED:
            return _FIXED[region]
        if self.config is None:
            raise BoardError(f"how long a word of {Region(region).name} is depends on the configuration: "
                             "push a network first")
        return word_bytes(region, self.config)
