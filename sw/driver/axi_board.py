"""A board whose accelerator is an AXI peripheral beside the processor: registers in its memory, DMAs for the rest."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from nomul.gen.spec.axi import WORD_BASE, StreamError, axi_address
from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import RESULT_HEADER, Region, Status, word_bytes
from nomul.sw.driver import packets
from nomul.sw.driver.base import BoardBase
from nomul.sw.driver.dma import Peripheral, Transfers, reset
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.memory import BoardError, Section

__all__ = ["AxiBoard"]

#: Bytes of sections in a packet, and images in one: the first packets are small, so that first results come soon. All
#: are shorter than the longest transfer of a DMA (`nomul.boards.pynq`).
_PACKET_BYTES, _PACKET_IMAGES, _IMAGE_BYTES = 1 << 18, 64, 1 << 22
_ALL_ERRORS = (1 << len(StreamError)) - 1
#: There are no frames, and so no longest one.
_NO_LIMIT = 1 << 16


class AxiBoard(BoardBase):
    """An accelerator on the same chip as the processor that this runs on; `nomul.gen.spec.axi` is what it speaks.

    Parameters
    ----------
    peripheral : Peripheral
        The accelerator and its DMAs; nothing is asked of them before the first call.
    timeout : float
        Seconds in which something must move; must exceed the longest run of a network.
    """

    def __init__(self, peripheral: Peripheral, *, timeout: float = 10.0):
        self._peripheral, self._timeout = peripheral, timeout
        data, weights, allocate = peripheral.data, peripheral.weights, peripheral.allocate
        self._images = Transfers(data.sendchannel, allocate, 2)
        self._results = Transfers(data.recvchannel, allocate)
        self._sections = Transfers(weights.sendchannel, allocate)
        self._clean = False     # nobody's packets are under way

    frame_bytes = _NO_LIMIT

    # Words. -------------------------------------------------------------------------------------------------

    def read(self, region: Region, address: int, words: int) -> bytes:
        """Words of a region, little-endian, one after the other.

        Raises
        ------
        LinkError
            If the board has no such words to read, or stays busy.
        """
        core, size = self._peripheral.core, self._word_bytes(region)
        if region is Region.REGISTERS:
            return b"".join(core.read(4 * n).to_bytes(4, "little") for n in range(address, address + words))
        content = b""
        for n in range(address, address + words):
            self._check(region, n, 1)
            word = b"".join(core.read(WORD_BASE + part).to_bytes(4, "little") for part in range(0, size, 4))
            content += word[:size]
        return content

    def write(self, region: Region, address: int, data: bytes) -> None:
        """Writes whole words from `address` on; raises as `read` does."""
        for _ in self.send([Section(region, address, data)]):
            pass

    def send(self, sections: Iterable[Section]) -> Iterator[int]:
        """Writes sections; yields how many bytes have arrived in all after each packet, and raises as `read` does."""
        done = 0
        for section in sections:
            size = self._word_bytes(section.region)
            words = np.frombuffer(section.content, np.uint8).reshape(-1, size)
            if section.region is Region.REGISTERS:
                for n, word in enumerate(words, start=section.address):
                    self._peripheral.core.write(4 * n, int.from_bytes(word.tobytes(), "little"))
                done += len(section.content)
                yield done
                continue
            self._tidy()
            step = max(1, _PACKET_BYTES // size)
            for first in range(0, len(words), step):
                piece = words[first:first + step]
                self._sections.begin(*self._sections.filled(packets.section(
                    section.region, section.address + first, piece, self._known_config(), self._width)))
                self._wait(lambda: self._sections.ended, f"writing {section.region.name}")
                self._raise_errors()
                done += piece.size
                yield done

    def checksums(self, sections: Iterable[Section]) -> Iterator[int]:
        """CRC-32 of what lies where each section should, found by the board; raises as `read` does."""
        for section in sections:
            self._check(section.region, section.address, len(section.content) // self._word_bytes(section.region))
            yield self._get("CHECKSUM")

    def _check(self, region: Region, address: int, words: int) -> None:
        """Has the board read words, which waits for the end of all runs."""
        self._set("CHECK_WHERE", region << 24 | address)
        self._set("CHECK_WORDS", words)
        self._wait(lambda: self._get("CHECK_WORDS") == 0, f"reading {region.name}")
        self._raise_errors(1 << StreamError.CHECK)

    # Runs. --------------------------------------------------------------------------------------------------

    def finished(self, contents: Iterable[bytes], stream: np.ndarray) -> Iterator[bytes]:
        """Cycles (4 bytes), index of the largest (2) and results (2 each) of each image, in order.

        Images go in packets of 1, 2, 4, ... `_PACKET_IMAGES`; the next packet is on its way while one is at work.

        Raises
        ------
        BoardError
            If the board holds no network any more.
        LinkError
            If nothing moves for `timeout`, or the board dropped a packet.
        """
        self._tidy()
        self._clean = False
        count, width = self._get("RESULT_COUNT"), self._width
        self._set("STREAM_WORDS", len(stream))
        weights = self._sections.filled(packets.section(Region.WEIGHT_STREAM, 0, stream, self._known_config(), width)) \
            if len(stream) else None
        owed = 0                        # images whose weights have not been sent
        at_work: deque[int] = deque()   # images of the packets whose results have not come

        def feed() -> None:
            nonlocal owed
            if weights and owed and self._sections.ended:
                self._sections.begin(*weights)
                owed -= 1

        def expect() -> None:
            size = at_work[0] * packets.record_bytes(count, width)
            self._results.begin(self._results.memory(size), size)

        def taken() -> Iterator[bytes]:
            self._wait(lambda: self._results.ended, "running images", feed)
            images = at_work.popleft()
            records = self._results.content(images * packets.record_bytes(count, width)).reshape(images, -1)
            if at_work:
                expect()
            for record in records:
                yield record.tobytes()[:2 * (RESULT_HEADER + count)]

        for packet in _packets(contents):
            if not at_work:
                self._set("IMAGE_BYTES", len(packet[0]))
            filled = self._images.filled(b"".join(packet))
            self._wait(lambda: self._images.ended, "sending images", feed)
            self._images.begin(*filled)
            at_work.append(len(packet))
            owed += len(packet)
            if len(at_work) > 1:
                yield from taken()
            else:
                expect()
        while at_work:
            yield from taken()
        self._wait(lambda: self._sections.ended and self._images.ended, "sending weights", feed)
        self._raise_errors()
        self._clean = True

    # Helpers. -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Gives the DMAs' memory back."""
        for transfers in (self._images, self._results, self._sections):
            transfers.free()

    def _tidy(self) -> None:
        """Gives up packets and results that an earlier use may have left; the network stays."""
        if self._clean:
            return
        network = {name: self._get(name) for name in ("NETWORK_LOW", "NETWORK_HIGH")}
        self._set("HALT", 1)
        for name in network:            # so that no run waits for weights
            self._set(name, 0)
        for dma in (self._peripheral.data, self._peripheral.weights):
            reset(dma)
        for transfers in (self._images, self._results, self._sections):
            transfers.restart()
        self._wait(lambda: not self._get("STATUS") >> Status.BUSY & 1, "ending runs")
        self._set("ERRORS", _ALL_ERRORS)
        self._set("HALT", 0)
        for name, value in network.items():
            self._set(name, value)
        self._clean = True

    def _wait(self, ended: Callable[[], bool], what: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        now, progress = self._peripheral.now, self._progress()
        deadline = now() + self._timeout
        while not ended():
            meanwhile()
            if now() > deadline:
                before, progress = progress, self._progress()
                if progress == before:
                    self._clean = False
                    self._raise_errors()
                    raise LinkError(f"{what}: nothing has moved for {self._timeout:g} s; if a run of the network takes "
                                    "longer, raise the timeout")
                deadline = now() + self._timeout

    def _progress(self) -> tuple[int, ...]:
        return tuple(self._get(name) for name in ("RUN", "UNSENT", "CHECK_WORDS"))

    def _raise_errors(self, mask: int = _ALL_ERRORS) -> None:
        bits = self._get("ERRORS") & mask
        if not bits:
            return
        self._set("ERRORS", bits)
        self._clean &= bits == 1 << StreamError.CHECK       # which is no packet's
        if bits >> StreamError.NO_NETWORK & 1:
            raise BoardError("the board holds no network any more (was it programmed again?): push it again")
        names = ", ".join(error.name for error in StreamError if bits >> error & 1)
        raise LinkError(f"the board refused what it was sent or asked: {names}")

    @property
    def _width(self) -> int:
        return self._get("STREAM_BYTES")

    def _get(self, name: str) -> int:
        return self._peripheral.core.read(axi_address(name))

    def _set(self, name: str, value: int) -> None:
        self._peripheral.core.write(axi_address(name), value)

    def _known_config(self) -> Config:
        if self.config is None:
            raise BoardError("how long the board's words are depends on its configuration: push a network first")
        return self.config

    def _word_bytes(self, region: Region) -> int:
        return 4 if region is Region.REGISTERS else word_bytes(region, self._known_config())


def _packets(contents: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Images in packets, each twice as large as the one before."""
    source, size = iter(contents), 1
    while packet := list(islice(source, size)):
        yield packet
        size = min(2 * size, _PACKET_IMAGES, max(1, _IMAGE_BYTES // len(packet[0])))
