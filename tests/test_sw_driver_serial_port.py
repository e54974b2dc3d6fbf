import os
import threading
import tty

import pytest

from nomul.gen.spec.registers import Region
from nomul.sw.driver.device_model import DeviceModel
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.ports import open_board
from nomul.sw.driver.serial_port import SerialLink

from .hardware import small_config


@pytest.fixture
def terminal():
    """Both ends of a pseudo-terminal, as file descriptor and name."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_bytes_pass_both_ways_and_unchanged(terminal):
    master, name = terminal
    every = bytes(range(256))
    link = SerialLink(name, 1_000_000)
    link.write(every)
    assert os.read(master, 1000) == every
    os.write(master, every)
    received = b""
    while len(received) < 256:
        received += link.read(1.0)
    assert received == every
    link.close()


def test_read_of_a_silent_port_ends_after_the_timeout(terminal):
    link = SerialLink(terminal[1], 115200)
    assert link.read(0.01) == b""
    link.close()


def test_what_was_left_in_the_port_is_forgotten_when_it_is_opened(terminal):
    os.write(terminal[0], b"stale")
    link = SerialLink(terminal[1], 115200)
    assert link.read(0.01) == b""
    link.close()


def test_board_is_driven_through_a_port(terminal):
    master, name = terminal
    model = DeviceModel(small_config(), lambda memories: ([], 0))

    def serve():
        while True:
            data = os.read(master, 1 << 12)
            if data == b"stop":
                return
            model.write(data)
            os.write(master, model.read(0))

    thread = threading.Thread(target=serve)
    thread.start()
    with open_board(name) as board:
        board.write(Region.PROGRAM, 3, b"four" * 20)
        assert board.read(Region.PROGRAM, 3, 20) == b"four" * 20
        assert board.info().config_hash == small_config().hash
        board._link.write(b"stop")
        thread.join()


@pytest.mark.parametrize("name", ["/dev/no such port", __file__])
def test_port_that_cannot_be_opened_is_a_one_line_error(name):
    with pytest.raises(LinkError) as caught:
        SerialLink(name, 115200)
    assert str(caught.value).startswith(f"cannot open serial port {name!r} at 115200 baud: ")
    assert "the ports of this machine: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("baud", [-1, 1 << 40])
def test_impossible_baud_rate_is_a_one_line_error(terminal, baud):
    with pytest.raises(LinkError, match=f"cannot open serial port .* at {baud} baud"):
        SerialLink(terminal[1], baud)


def test_port_that_goes_away_is_an_error():
    master, slave = os.openpty()
    tty.setraw(slave)
    link = SerialLink(os.ttyname(slave), 115200)
    os.close(slave)
    os.close(master)
    with pytest.raises(LinkError, match="cannot read from .*: is the board still plugged in"):
        link.read(0.01)
    with pytest.raises(LinkError, match="cannot write to .*: is the board still plugged in"):
        link.write(b"x")
    link.close()
