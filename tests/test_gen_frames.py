"""Frames: what was sent is read back, and a damaged frame is never taken for a whole one."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nomul.gen.spec.frames import END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE, Operation, decode, encode

awkward = st.lists(st.sampled_from([0, 0xFF, END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE]), max_size=40).map(bytes)
frames = st.tuples(st.integers(0, 255), st.integers(0, 255), awkward | st.binary(max_size=300))


@given(frames)
def test_frame_is_read_back(frame):
    line = encode(*frame)
    assert line[-1] == END
    assert END not in line[:-1]
    assert decode(line[:-1]) == frame


def test_frame_is_laid_out_as_worked_out_by_hand():
    # CRC-32 of 01 01 02 00 C0 DB, worked out bit by bit below, independently of zlib
    crc = 0xFFFFFFFF
    for byte in bytes([1, 1, 2, 0, 0xC0, 0xDB]):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    trailer = (crc ^ 0xFFFFFFFF).to_bytes(4, "little")
    assert not {END, ESCAPE} & set(trailer)
    expected = bytes([1, 1, 2, 0, ESCAPE, ESCAPED_END, ESCAPE, ESCAPED_ESCAPE]) + trailer + bytes([END])
    assert encode(1, Operation.READ, bytes([END, ESCAPE])) == expected


@given(frames, st.data())
def test_one_flipped_bit_is_never_accepted(frame, data):
    line = bytearray(encode(*frame)[:-1])
    bit = data.draw(st.integers(0, 8 * len(line) - 1))
    line[bit // 8] ^= 1 << bit % 8
    # a flip that makes an END cuts the frame in two: the receiver sees the parts
    assert all(decode(part) is None for part in bytes(line).split(bytes([END])))


@given(frames, st.data())
def test_burst_of_up_to_32_bits_is_never_accepted(frame, data):
    """A CRC-32 detects every burst not longer than itself; stuffing is the identity here, so the burst stays one."""
    line = bytearray(encode(*frame)[:-1])
    assume(ESCAPE not in line)
    start = data.draw(st.integers(0, len(line) - 4))
    line[start:start + 4] = data.draw(st.binary(min_size=4, max_size=4))
    assume(bytes(line) != encode(*frame)[:-1])
    assume(not {END, ESCAPE} & set(line))
    assert decode(bytes(line)) is None


@given(frames, st.data())
def test_cut_frame_is_never_accepted(frame, data):
    line = encode(*frame)[:-1]
    assert decode(line[:data.draw(st.integers(0, len(line) - 1))]) is None
    assert decode(line[data.draw(st.integers(1, len(line))):]) is None


@given(frames, st.data())
def test_doubled_byte_is_never_accepted(frame, data):
    line = encode(*frame)[:-1]
    at = data.draw(st.integers(0, len(line) - 1))
    assert decode(line[:at] + line[at:at + 1] + line[at:]) is None


@given(frames, frames)
def test_two_frames_whose_end_was_lost_are_not_accepted_as_one(first, second):
    assert decode(encode(*first)[:-1] + encode(*second)[:-1]) is None


@pytest.mark.parametrize("line", [b"", b"\x00", bytes([ESCAPE]), bytes([ESCAPE, 0]), bytes(7), bytes(8)])
def test_what_is_no_frame_is_not_accepted(line):
    assert decode(line) is None


@given(st.binary(max_size=64))
def test_decoding_any_bytes_never_fails(line):
    result = decode(line)
    assert result is None or encode(*result)[:-1] == line
