"""Frames of the link, both directions.

A frame is ``sequence (1 byte), operation (1), length (2), payload (length), CRC-32 (4)``, numbers little-endian, the
CRC (the one of Ethernet and zlib) over all bytes before it. On the line the frame is byte-stuffed and closed by `END`
(RFC 1055): END → ESCAPE ESCAPED_END, ESCAPE → ESCAPE ESCAPED_ESCAPE. An `END` may also open a frame; empty frames
are ignored. So a receiver finds the next frame whatever happened to the last one.

The host sends requests, the device answers each with the same sequence number, operation + `ANSWER`, and a payload
that begins with a status byte. The device takes a request only whole and with a right CRC, and only if its sequence
number is the expected one, or the one just answered: a repetition, carried out again. Every request may be carried out
twice, also much later.
It answers a frame that it cannot take with `NAK`, whose sequence number is the expected one. `SYNC` is always taken
and sets the expected number to its own + 1. Several requests may be under way; they are answered in order.

A NAK goes out as operation `NAK` + `ANSWER` with a payload of one byte, 0; several in a row may be merged into one.
A request is refused, with nothing written, if: the region does not exist, or may not be read or written (BAD_ADDRESS);
it names no word, no whole number of words, or more than a frame can answer (BAD_LENGTH); it reaches beyond the region
(BAD_ADDRESS); RESULT_COUNT exceeds the result memory or a frame (FINISH: BAD_LENGTH); no network is loaded (START,
FINISH: NO_NETWORK); the run is none of the last `RUNS_KEPT` (FINISH: BAD_RUN). Writes to read-only registers are
ignored.

**Runs** have numbers, one after the other modulo `RUN_NUMBERS`; the register RUN has the last one's. START begins the
next: one with any other number has been carried out before, and is only answered. Bytes for INPUT say in their address
for which run they are, and are ignored but for the next one's. One run may be at work and one more be started, which
begins when the image is packed and the one before has ended; until then the device takes neither another START nor
bytes for the run after. So an image is on its way while another is run, and results are fetched while the next run is
at work. FINISH is answered as soon as its run has ended, with the words of RESULTS. While a run is started or at work,
only REGISTERS and INPUT are there; requests for other regions wait.

=========  ========================================  =========================================================
operation  request payload                           answer payload, after the status byte
=========  ========================================  =========================================================
SYNC       -                                         longest payload in bytes (2)
READ       region (1), address (3), bytes (2)        the bytes
WRITE      region (1), address (3), bytes            -
CHECKSUM   region (1), address (3), words (4)        CRC-32 of the words' bytes (4)
START      run (1), image bytes from byte 0 or none  -
FINISH     run (1)                                   cycles (4), top (2), RESULT_COUNT results (2 each, signed)
=========  ========================================  =========================================================
"""

import zlib
from enum import IntEnum

__all__ = ["ANSWER", "END", "ESCAPE", "ESCAPED_END", "ESCAPED_ESCAPE", "HEADER_BYTES", "RUNS_KEPT", "RUN_NUMBERS",
           "Operation", "Status", "decode", "encode"]

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = 0xC0, 0xDB, 0xDC, 0xDD

#: Bytes before the payload.
HEADER_BYTES = 4
#: Runs are numbered from 0 to one less than this; the results of so many are kept.
RUN_NUMBERS, RUNS_KEPT = 16, 4
#: Added to the operation in an answer.
ANSWER = 0x80


class Operation(IntEnum):
    """What a request asks for."""

    SYNC = 0
    READ = 1
    WRITE = 2
    CHECKSUM = 3
    START = 4
    FINISH = 5
    #: Only in answers: the frame was damaged or out of order.
    NAK = 0x7F


class Status(IntEnum):
    """First payload byte of an answer."""

    OK = 0
    BAD_OPERATION = 1
    BAD_ADDRESS = 2
    BAD_LENGTH = 3
    NO_NETWORK = 4
    BAD_RUN = 5


def encode(sequence: int, operation: int, payload: bytes = b"") -> bytes:
    """One frame as it goes over the line, with the closing `END`."""
    body = bytes([sequence & 0xFF, operation]) + len(payload).to_bytes(2, "little") + payload
    body += zlib.crc32(body).to_bytes(4, "little")
    stuffed = body.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPED_ESCAPE])) \
        .replace(bytes([END]), bytes([ESCAPE, ESCAPED_END]))
    return stuffed + bytes([END])


def decode(line: bytes) -> tuple[int, int, bytes] | None:
    """Sequence, operation and payload of the bytes between two `END`; None if they are no whole, right frame."""
    escaped = [line.count(bytes([ESCAPE, code])) for code in (ESCAPED_END, ESCAPED_ESCAPE)]
    if line.count(ESCAPE) != sum(escaped):
        return None
    body = line.replace(bytes([ESCAPE, ESCAPED_END]), bytes([END])) \
        .replace(bytes([ESCAPE, ESCAPED_ESCAPE]), bytes([ESCAPE]))
    if len(body) < HEADER_BYTES + 4 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little") \
            or int.from_bytes(body[2:4], "little") != len(body) - HEADER_BYTES - 4:
        return None
    return body[0], body[1], bytes(body[HEADER_BYTES:-4])
