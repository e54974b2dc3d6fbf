import errno
import grp
import os
import select
import termios
import threading
import tty
from types import SimpleNamespace

import pytest
import serial

from nomul.boards import BOARDS
from nomul.gen.spec.registers import Region
from nomul.sw.driver.device_model import DeviceModel
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.ports import BAUD_RATES, open_board
from nomul.sw.driver.serial_port import SerialLink

from .hardware import small_config
from .test_sw_driver_board import CONFIG, compiled


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


def test_port_that_another_program_uses_is_a_one_line_error(terminal):
    link = SerialLink(terminal[1], 115200)
    with pytest.raises(LinkError, match="another program uses it: end that one"):
        SerialLink(terminal[1], 115200)
    link.close()
    SerialLink(terminal[1], 115200).close()


def test_port_that_is_closed_says_so(terminal):
    link = SerialLink(terminal[1], 115200)
    link.close()
    with pytest.raises(LinkError, match="it has been closed; open it again"):
        link.write(b"x")
    with pytest.raises(LinkError, match="it has been closed; open it again"):
        link.read(0.01)


@pytest.mark.parametrize(("group", "mode", "remedy"), [
    ("dialout", 0o660, r"it belongs to the group dialout; run: sudo usermod -aG dialout \$USER, and log in again"),
    ("uucp", 0o620 | 0o040, r"sudo usermod -aG uucp \$USER"),
    ("root", 0o660, "it belongs to the group root; run: sudo chmod a\\+rw "),
    ("dialout", 0o600, "only its owner may use it; run: sudo chmod g\\+rw "),
])
def test_permission_that_is_missing_names_the_group_and_the_remedy(group, mode, remedy, tmp_path, monkeypatch):
    port = tmp_path / "port"
    port.touch()
    port.chmod(mode)

    def refuse(*_, **__):
        raise serial.SerialException(errno.EACCES, f"could not open port {port}: Permission denied")

    monkeypatch.setattr(serial, "Serial", refuse)
    monkeypatch.setattr(grp, "getgrgid", lambda number: SimpleNamespace(gr_name=group))
    with pytest.raises(LinkError, match=f"permission denied: .*{remedy}") as caught:
        SerialLink(str(port), 115200)
    assert "\n" not in str(caught.value)


class Far(threading.Thread):
    """The other end of a terminal: answers with what `answer` makes of the bytes, until that is None."""

    def __init__(self, master, answer):
        super().__init__()
        self._master, self._answer = master, answer
        self._stop_read, self._stop_write = os.pipe()

    def run(self):
        while True:
            readable, _, _ = select.select([self._master, self._stop_read], [], [])
            if self._stop_read in readable:
                return
            answer = self._answer(os.read(self._master, 1 << 12))
            if answer is None:
                return
            os.write(self._master, answer)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        os.write(self._stop_write, b"x")
        self.join()
        os.close(self._stop_read)
        os.close(self._stop_write)


@pytest.mark.parametrize("rate", BAUD_RATES)
def test_rate_at_which_the_board_answers_is_found(rate, terminal, monkeypatch):
    master, name = terminal
    monkeypatch.setattr("nomul.sw.driver.ports._PROBES", (0.05, 1.0))
    model = DeviceModel(small_config(), lambda memories: ([], 0))

    def answer(data):
        if termios.tcgetattr(master)[4] != getattr(termios, f"B{rate}"):
            return b""
        model.write(data)
        return model.read(0)

    with Far(master, answer), open_board(name) as board:
        assert board.baud == rate
        assert board.info().config_hash == small_config().hash


def test_every_board_has_a_rate_that_is_looked_for():
    assert {board.baud for board in BOARDS if board.baud} <= set(BAUD_RATES)


def test_silent_board_names_the_rates_and_the_remedy(terminal, monkeypatch):
    monkeypatch.setattr("nomul.sw.driver.ports._PROBES", (0.01,))
    with pytest.raises(LinkError, match=r"no answer from the board at .* at any of 1000000, 3000000.*`nomul program`"):
        open_board(terminal[1])
    SerialLink(terminal[1], 115200).close()     # it has been closed


@pytest.mark.parametrize("answer", [lambda data: data, lambda data: b"hello\r\n", lambda data: bytes(100)],
                         ids=["echo", "text", "zeros"])
def test_board_with_another_bitstream_is_told_apart_from_a_silent_one(answer, terminal, monkeypatch):
    monkeypatch.setattr("nomul.sw.driver.ports._PROBES", (0.05,))
    with Far(terminal[0], answer), pytest.raises(LinkError, match="is no nomul accelerator at any of .* `nomul build`"):
        open_board(terminal[1])
    with Far(terminal[0], answer), pytest.raises(LinkError, match="answers, but not as a nomul accelerator"), \
            open_board(terminal[1], 115200, timeout=0.02) as board:
        board.info()


def test_board_that_is_unplugged_while_it_is_pushed_to_is_one_line():
    master, slave = os.openpty()
    tty.setraw(slave)
    model, left = DeviceModel(CONFIG, lambda memories: ([], 0)), [9]

    def answer(data):
        left[0] -= 1
        if left[0] == 0:
            os.close(slave)
            os.close(master)
            return None
        model.write(data)
        return model.read(0)

    with Far(master, answer), open_board(os.ttyname(slave), 115200) as board, \
            pytest.raises(LinkError, match=r"cannot (read from|write to) .*: is the board still plugged in\?"):
        board.push(compiled())
