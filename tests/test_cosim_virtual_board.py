import time

import pytest
import serial

from nomul.cosim.link import SimulationLink
from nomul.cosim.virtual_board import LEVELS, VirtualBoard
from nomul.gen.spec.frames import ANSWER, END, Operation, decode, encode
from nomul.gen.spec.registers import MAGIC, Region

from .hardware import small_config

pytestmark = pytest.mark.cosim
CONFIG = small_config()
SYNC = encode(7, Operation.SYNC)
READ_MAGIC = encode(8, Operation.READ, bytes([Region.REGISTERS, 0, 0, 0, 4, 0]))


def _frames(line):
    return [decode(part) for part in bytes(line).split(bytes([END])) if part]


def _expected():
    return [(7, Operation.SYNC | ANSWER, b"\0" + CONFIG.frame_bytes.to_bytes(2, "little")),
            (8, Operation.READ | ANSWER, b"\0" + MAGIC.to_bytes(4, "little"))]


def test_link_in_process_answers_and_counts_only_simulated_time():
    link = SimulationLink(CONFIG)
    link.write(SYNC)
    link.write(READ_MAGIC)
    line = b""
    while len(_frames(line)) < 2 or not line.endswith(bytes([END])):
        received = link.read(0.01)
        assert received, "no answer"
        line += received
    assert _frames(line) == _expected()
    before = link.model.cycles
    assert link.read(0.25) == b""
    assert link.model.cycles - before == 250_000


def test_two_runs_of_the_link_in_process_take_the_same_cycles():
    cycles = []
    for _ in range(2):
        link = SimulationLink(CONFIG)
        link.write(SYNC + READ_MAGIC)
        link.read(0.01)
        cycles.append(link.model.cycles)
    assert cycles[0] == cycles[1] > 0


def test_closed_link_forgets_what_was_queued():
    link = SimulationLink(CONFIG)
    link.write(SYNC)
    link.close()
    assert link.read(0.001) == b""


@pytest.mark.parametrize("level", LEVELS)
def test_pyserial_talks_to_the_virtual_board(level):
    with VirtualBoard(CONFIG, level) as board:
        for _ in range(2):      # a second program finds the board as the first one left it
            with serial.Serial(board.port, 1_000_000, timeout=10) as port:
                port.write(SYNC + READ_MAGIC)
                line = port.read_until(bytes([END])) + port.read_until(bytes([END]))
                assert _frames(line) == _expected()
        assert board.cycles > 0
    assert board.port == ""


def test_idle_board_leaves_the_processor_to_others():
    with VirtualBoard(CONFIG) as board:
        deadline = time.monotonic() + 30
        while board.cycles < 1_000_000 and time.monotonic() < deadline:
            time.sleep(0.05)
        first = board.cycles
        time.sleep(0.5)
        # Slices of 2000 cycles, at most one every 20 ms.
        assert 0 < board.cycles - first < 80_000


def test_failure_in_the_thread_comes_out_at_the_end():
    board = VirtualBoard(CONFIG)
    board._advance = lambda *_, **__: 1 // 0
    with pytest.raises(ZeroDivisionError), board:
        time.sleep(0.05)


def test_unknown_level_is_named():
    with pytest.raises(ValueError, match="level must be one of byte, uart, not 'bit'"):
        VirtualBoard(CONFIG, "bit")
