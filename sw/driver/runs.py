"""Requests that run images: each is on its way, with the weights that it needs, while the one before is at work."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from nomul.gen.spec.frames import RUN_NUMBERS, Operation
from nomul.gen.spec.registers import RUN_BIT, Region, address_of
from nomul.sw.driver.memory import SUBJECT_BYTES, MemoryAccess, Section, write_request
from nomul.sw.driver.transport import Request

__all__ = ["ImageRuns", "finish_request"]


class ImageRuns(MemoryAccess):
    """Starts runs, feeds them, and fetches their results."""

    def start_requests(self, run: int, content: bytes) -> list[Request]:
        """Requests that start a run, of the image whose bytes are `content`."""
        number = bytes([run % RUN_NUMBERS])
        if len(content) <= self.room(len(number)):
            return [Request(Operation.START, number + content)]
        section = Section(Region.INPUT, run % RUN_NUMBERS << RUN_BIT, content)
        pieces = self.pieces(section, self.room(SUBJECT_BYTES))
        return [*(request for piece in pieces for request in write_request(piece)), Request(Operation.START, number)]

    def stream_requests(self, run: int, stream: np.ndarray) -> Iterator[list[Request]]:
        """A request for each frame of weights (uint8, shape (words, bytes)) that a started run needs, as groups."""
        for first in range(0, len(stream), 1 << RUN_BIT):
            section = Section(Region.WEIGHT_STREAM, run % RUN_NUMBERS << RUN_BIT,
                              stream[first:first + (1 << RUN_BIT)].tobytes())
            yield from map(write_request, self.pieces(section, self.room(SUBJECT_BYTES)))

    def finished(self, contents: Iterable[bytes], stream: np.ndarray) -> Iterator[bytes]:
        """The answer to FINISH for each image, in order; the next image is started before it is asked for."""
        first = int.from_bytes(self.read(Region.REGISTERS, address_of("RUN"), 1), "little") + 1

        def groups() -> Iterator[Sequence[Request]]:
            finish: list[list[Request]] = []    # of the run before
            for run, content in enumerate(contents, start=first):
                yield self.start_requests(run, content)
                yield from self.stream_requests(run, stream)
                yield from finish
                finish = [[finish_request(run)]]
            yield from finish

        sent: deque[Sequence[Request]] = deque()
        for answers in self._transport.exchange(_recorded(groups(), sent)):
            if sent.popleft()[-1].operation is Operation.FINISH:
                yield answers[-1]


def _recorded(groups: Iterable[Sequence[Request]], record: deque[Sequence[Request]]) -> Iterator[Sequence[Request]]:
    for group in groups:
        record.append(group)
        yield group


def finish_request(run: int) -> Request:
    """The request for the results of a run."""
    return Request(Operation.FINISH, bytes([run % RUN_NUMBERS]))
