"""Requests and answers over a link that may damage or lose any byte.

Every request is one that may be carried out twice, so recovery is simple and the same for all faults: give up on
everything under way, agree on a new sequence number (`SYNC`, which the device reaches only after all that was sent
before it), and send again from the oldest request that has no answer. Requests that make sense only together, such as
the pieces of an image and the START that follows, form a group that is sent again from its beginning.
"""

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nomul.gen.spec.frames import ANSWER, END, ESCAPE, HEADER_BYTES, RUNS_KEPT, Operation, Status, decode, encode
from nomul.sw.driver.link import ByteLink, LinkError

__all__ = ["MAX_WINDOW", "NoAnswerError", "RefusedError", "Request", "Transport"]

#: With more, results could be overwritten before they are fetched again: the device keeps those of four runs.
MAX_WINDOW = RUNS_KEPT
#: More than any answer has on the line, every byte escaped; and more lines than can come before that of a SYNC.
_LONGEST_LINE = 2 * (HEADER_BYTES + (1 << 12) + 4)
_STALE_LINES = 64


class NoAnswerError(LinkError):
    """Nothing at the other end of the link answers as a nomul accelerator would."""


class RefusedError(LinkError):
    """The device understood a request and refused it; `status` says why."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    """An operation and its payload."""

    operation: Operation
    payload: bytes = b""


@dataclass(eq=False)
class _Group:
    requests: Sequence[Request]
    sent: int = 0
    answers: list[bytes] = field(default_factory=list)


class _Sent(NamedTuple):
    sequence: int
    request: Request
    group: _Group
    size: int


class _FaultError(Exception):
    """Something under way was lost; the text says how that showed."""


class Transport:
    """Sends requests, several at a time, and mends whatever happens to them.

    Parameters
    ----------
    link : ByteLink
        Carries the bytes.
    timeout : float
        Seconds of silence after which something is taken for lost; must exceed the longest run of a network.
    window : int
        Requests under way at a time, 1 to 4.
    tries : int
        How often one request is sent before giving up.

    Attributes
    ----------
    frame_bytes : int
        Longest payload that the device takes or sends; known after `synchronize`.
    heard : bool
        Whether anything has come since `synchronize` began.

    Raises
    ------
    ValueError
        If `window` or `tries` is out of range.
    """

    def __init__(self, link: ByteLink, *, timeout: float = 1.0, window: int = 4, tries: int = 8):
        if not 1 <= window <= MAX_WINDOW:
            raise ValueError(f"window must be 1 to {MAX_WINDOW}, not {window!r}")
        if tries < 1:
            raise ValueError(f"tries must be at least 1, not {tries!r}")
        self._link, self._timeout, self._window, self._tries = link, timeout, window, tries
        self.frame_bytes = 0
        self._synchronized = self.heard = False
        self._received = bytearray()
        # Answers to an earlier process may still be on their way: they should not carry the numbers of this one.
        self._sequence = random.randrange(256)

    def synchronize(self) -> None:
        """Agrees on a sequence number with the device; whatever was under way is forgotten.

        Raises
        ------
        NoAnswerError
            If no answer comes.
        """
        self._synchronized = self.heard = False
        for _ in range(self._tries):
            sequence = self._next_sequence()
            # The first END closes whatever part of a frame the device may hold.
            self._link.write(bytes([END]) + encode(sequence, Operation.SYNC))
            for _ in range(_STALE_LINES):
                if (line := self._receive_line()) is None:
                    break
                frame = decode(line)
                if frame and frame[:2] == (sequence, Operation.SYNC | ANSWER) and len(frame[2]) == 3:
                    self.frame_bytes = int.from_bytes(frame[2][1:], "little")
                    self._synchronized = True
                    return
        if self.heard:
            raise NoAnswerError("something answers, but not as a nomul accelerator: load a bitstream of `nomul build` "
                                "(`nomul program`), or give the baud rate that it was built for")
        raise NoAnswerError(f"no answer from the board after {self._tries} tries of {self._timeout:g} s: is it "
                            "powered, programmed with a nomul bitstream, and the baud rate right?")

    def request(self, operation: Operation, payload: bytes = b"") -> bytes:
        """The answer to one request, without its status byte.

        Raises
        ------
        RefusedError
            If the device refuses the request.
        LinkError
            If the device does not answer.
        """
        [[answer]] = self.exchange([[Request(operation, payload)]])
        return answer

    def exchange(self, groups: Iterable[Sequence[Request] | None]) -> Iterator[list[bytes]]:
        """Sends groups of requests, several requests at a time, and yields the answers of each group, in order.

        Groups are taken from the iterable as the window allows. None in place of one, which may come as long as there
        are answers to wait for, says that what follows depends on the next answer. Closing the iterator early leaves
        the requests that are under way without effect on what follows.

        Raises
        ------
        RefusedError
            If the device refuses a request; the ones after it may have been carried out.
        LinkError
            If a request is not answered after the allowed tries.
        """
        source = iter(groups)
        waiting: deque[_Group] = deque()      # not yet answered as a whole, oldest first
        under_way: deque[_Sent] = deque()
        failures = 0
        try:
            while True:
                if not self._synchronized:
                    self.synchronize()
                self._send(source, waiting, under_way)
                if not waiting:
                    return
                try:
                    self._take_answer(under_way)
                except _FaultError as fault:
                    failures += 1
                    if failures >= self._tries:
                        name = under_way[0].request.operation.name
                        raise LinkError(f"{name} failed {failures} times, last because of {fault}: check the cable "
                                        "and the baud rate, or raise the timeout") from None
                    under_way.clear()
                    for group in waiting:
                        group.sent = 0
                        group.answers.clear()
                    self._synchronized = False
                    continue
                if len(waiting[0].answers) == len(waiting[0].requests):
                    failures = 0
                    yield waiting.popleft().answers
        finally:
            # What is still under way when somebody stops listening must not be mistaken for a later answer.
            if under_way:
                self._synchronized = False

    def _next_sequence(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _send(self, source: Iterator[Sequence[Request] | None], waiting: deque[_Group],
              under_way: deque[_Sent]) -> None:
        while len(under_way) < self._window:
            group = next((group for group in waiting if group.sent < len(group.requests)), None)
            if group is None:
                requests = next(source, None)
                if requests is None:
                    return
                group = _Group(requests)
                waiting.append(group)
            request = group.requests[group.sent]
            if len(request.payload) > self.frame_bytes:
                raise LinkError(f"a payload of {len(request.payload)} bytes is longer than the {self.frame_bytes} "
                                "bytes that the board takes")
            sequence = (self._sequence + 1) & 0xFF
            frame = encode(sequence, request.operation, request.payload)
            # Behind the request at work the device buffers two payloads' worth, and a UART cannot be told to wait.
            if under_way and sum(sent.size for sent in under_way) - under_way[0].size + len(frame) \
                    > 2 * self.frame_bytes:
                return
            self._sequence = sequence
            self._link.write(frame)
            under_way.append(_Sent(sequence, request, group, len(frame)))
            group.sent += 1

    def _take_answer(self, under_way: deque[_Sent]) -> None:
        """Waits for the answer to the oldest request under way and files it."""
        oldest = under_way[0]
        while True:
            line = self._receive_line()
            if line is None:
                raise _FaultError(f"silence of {self._timeout:g} s")
            frame = decode(line)
            if frame is None or not frame[2]:
                raise _FaultError("a damaged answer")
            sequence, operation, payload = frame
            if operation == Operation.NAK | ANSWER:
                raise _FaultError("a request that arrived damaged")
            if (sequence, operation) == (oldest.sequence, oldest.request.operation | ANSWER):
                under_way.popleft()
                if payload[0] != Status.OK:
                    name = Status(payload[0]).name if payload[0] in list(Status) else str(payload[0])
                    raise RefusedError(f"the board refused {oldest.request.operation.name}: {name}", payload[0])
                oldest.group.answers.append(payload[1:])
                return
            if any(sequence == sent.sequence for sent in under_way):
                raise _FaultError("a lost answer")

    def _receive_line(self) -> bytes | None:
        """The next bytes between two END, not empty; None if none come in time."""
        received = 0
        while True:
            line, end, rest = self._received.lstrip(bytes([END])).partition(bytes([END]))
            if end:
                self._received = rest
                return bytes(line)
            if received > _LONGEST_LINE:
                self._received.clear()
                return bytes([ESCAPE])      # noise is as good as a damaged answer
            arrived = self._link.read(self._timeout)
            if not arrived:
                return None
            self.heard = True
            received += len(arrived)
            self._received += arrived
