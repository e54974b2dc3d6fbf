"""Several boards at once, each with a thread of its own while a call lasts."""

import threading
import time

import numpy as np
import pytest

from nomul.sw.driver.board import Board, BoardError
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.several import Boards

from .test_sw_driver_board import compiled, device, expected, holds, images_of

NETWORK = compiled(shape="large")


class Slow:
    """A link that takes its time for every read."""

    def __init__(self, link, seconds):
        self._link, self._seconds, self.reads, self.closed = link, seconds, 0, False

    def write(self, data):
        self._link.write(data)

    def read(self, timeout):
        self.reads += 1
        time.sleep(self._seconds)
        return self._link.read(timeout)

    def close(self):
        self.closed = True


class Dying(Slow):
    """Fails at a read."""

    def __init__(self, link, reads, error):
        super().__init__(link, 0)
        self._left, self._error = reads, error

    def read(self, timeout):
        if self.reads >= self._left:
            raise self._error
        return super().read(timeout)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def boards_of(*links):
    boards = Boards([Board(link) for link in links])
    for number, board in enumerate(boards.boards):
        board.port = f"port{number}"
    return boards


def test_all_boards_get_the_network_and_progress_adds_up():
    models = [device(NETWORK) for _ in range(3)]
    calls = []
    with boards_of(*models) as boards:
        results = boards.push(NETWORK, lambda *call: calls.append(call))
    assert [result.sent for result in results] == [results[0].total] * 3
    assert all(holds(model, NETWORK) for model in models)
    assert calls[-1] == (3 * results[0].total,) * 2
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_images(count):
    images = images_of(NETWORK, 23)
    calls = []
    with boards_of(*(device(NETWORK) for _ in range(count))) as boards:
        boards.push(NETWORK)
        result = boards.run(images, lambda *call: calls.append(call))
    np.testing.assert_array_equal(result.logits, expected(NETWORK, images))
    np.testing.assert_array_equal(result.top, expected(NETWORK, images).argmax(axis=1))
    assert calls == [(n, 23) for n in range(1, 24)]


def test_faster_board_runs_more_images():
    slow, fast = Slow(device(NETWORK), 0.02), Slow(device(NETWORK), 0.001)
    images = images_of(NETWORK, 40)
    with boards_of(slow, fast) as boards:
        boards.push(NETWORK)
        before = slow.reads, fast.reads
        result = boards.run(images)
        assert fast.reads - before[1] > 2 * (slow.reads - before[0])
    np.testing.assert_array_equal(result.logits, expected(NETWORK, images))
    assert slow.closed
    assert fast.closed


def test_board_that_fails_is_named_and_the_others_stop():
    good = Slow(device(NETWORK), 0.001)
    with boards_of(good, Dying(device(NETWORK), 60, LinkError("gone"))) as boards:
        boards.push(NETWORK)
        with pytest.raises(BoardError, match=r"^port1: gone$"):
            boards.run(images_of(NETWORK, 1000))
        assert good.reads < 2000


def test_interrupt_ends_all_threads_and_the_boards_go_on():
    models = [device(NETWORK) for _ in range(2)]
    images = images_of(NETWORK, 50)

    def interrupt(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with boards_of(*models) as boards:
        boards.push(NETWORK)
        with pytest.raises(KeyboardInterrupt):
            boards.run(images, interrupt)
        np.testing.assert_array_equal(boards.run(images).logits, expected(NETWORK, images))


def test_bug_in_a_thread_comes_out_as_it_is():
    with boards_of(device(NETWORK), Dying(device(NETWORK), 5, ZeroDivisionError())) as boards, \
            pytest.raises(ZeroDivisionError):
        boards.push(NETWORK)


def test_boards_with_different_networks_do_not_run_together():
    models = device(NETWORK), device(NETWORK)
    with boards_of(*models) as boards:
        boards.boards[0].push(NETWORK)
        boards.boards[1].push(compiled(2))
        with pytest.raises(BoardError, match="the boards hold different networks: push one to all of them"):
            boards.run(images_of(NETWORK, 2))


def test_boards_that_hold_the_network_need_no_push():
    models = device(NETWORK), device(NETWORK)
    for model in models:
        Board(model).push(NETWORK)
    images = images_of(NETWORK, 5)
    with boards_of(*models) as boards:
        boards.use(NETWORK)
        np.testing.assert_array_equal(boards.run(images).logits, expected(NETWORK, images))
        assert [info.network_hash for info in boards.info()] == [NETWORK.hash] * 2
        assert "port0: net1" in repr(boards)
