"""Makes a board hold sections of memory: asks, writes and checks at the same time, so that its line never rests."""

import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from nomul.gen.spec.registers import Region
from nomul.sw.driver.memory import SUBJECT_BYTES, BoardError, MemoryAccess, Section, write_request
from nomul.sw.driver.transport import Request

__all__ = ["MemoryUpdate", "Settled", "not_held"]

#: Bytes of a piece that is asked about, and written, as one; or those of a frame, if that is longer. A question costs
#: some 30 bytes on the line, 17 of them towards the board. A board that finds a checksum bit by bit takes ten clock
#: cycles a byte, in which its queue must have room for what comes: so its pieces are small.
_PIECE, _SMALL_PIECE = 1 << 12, 1 << 10
#: Questions under way while nothing is known that could be sent instead.
_AHEAD = 2


class Settled(NamedTuple):
    """How far an update has come.

    Attributes
    ----------
    held : int
        Bytes that the board holds, by its checksum.
    sent : int
        Bytes that it was sent for that.
    """

    held: int
    sent: int


def not_held(piece: Section) -> BoardError:
    """The board does not hold what was written."""
    return BoardError(f"{Region(piece.region).name} of the board does not hold what was written from word "
                      f"{piece.address} on: was it switched off meanwhile? Push again; else its memory is damaged, or "
                      "another program writes to it")


class MemoryUpdate(MemoryAccess):
    """Memory access that finds out what a board lacks while it sends it."""

    def update(self, sections: Iterable[Section], first: Section) -> Iterator[Settled]:
        """Makes the board hold sections: sends the pieces of which its checksum says that they are different.

        What was sent is asked about again. Questions about pieces that follow are on their way before a piece is sent,
        so that the line does not wait for answers.

        Parameters
        ----------
        sections : iterable of Section
            What the board should hold.
        first : Section
            What is written before anything else is; nothing, if the board holds all.

        Yields
        ------
        Settled
            After each piece.

        Raises
        ------
        BoardError
            If a piece does not arrive unchanged.
        LinkError
            If the board does not answer.
        """
        frame = self.room(SUBJECT_BYTES)
        small = self.config is not None and self.config.serial_crc
        room = frame * max(1, (_SMALL_PIECE if small else _PIECE) // frame)
        unknown = deque(piece for section in sections for piece in self.pieces(section, room))
        different: deque[Section] = deque()
        asked: deque[tuple[Section, bool] | None] = deque()     # of each request: a question, and whether the second
        held = sent = 0

        def question(piece: Section, again: bool) -> list[Request]:
            asked.append((piece, again))
            return [self.checksum_request(piece)]

        def write(piece: Section) -> list[Request]:
            asked.append(None)
            return write_request(piece)

        def requests() -> Iterator[list[Request] | None]:
            started = False
            while unknown or different or any(asked):
                if not different:
                    ahead = sum(each is not None for each in asked)
                    yield question(unknown.popleft(), False) if unknown and ahead < _AHEAD else None
                    continue
                if not started:
                    yield write(first)
                    started = True
                # The two questions for each piece keep their distance, as a slow board takes its time to answer.
                piece = different.popleft()
                parts = list(self.pieces(piece, frame))
                for n, part in enumerate(parts):
                    if unknown and n == len(parts) // 2:
                        yield question(unknown.popleft(), False)
                    yield write(part)
                yield question(piece, True)

        for answers in self._transport.exchange(requests()):
            about = asked.popleft()
            if about is None:
                continue
            piece, again = about
            size = len(piece.content)
            sent += size * again
            if int.from_bytes(answers[0], "little") == zlib.crc32(piece.content):
                held += size
                yield Settled(held, sent)
            elif again:
                raise not_held(piece)
            else:
                different.append(piece)
