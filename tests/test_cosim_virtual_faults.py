"""A virtual board with a bad line, cable or supply: what is pushed and run is right, or there is one line."""

import random

import numpy as np
import pytest

import nomul.sw.driver
from nomul.boards import BOARDS
from nomul.boards import BoardError as BoardFactsError
from nomul.cosim.faults import Faults
from nomul.cosim.random_network import random_codes, random_network
from nomul.cosim.virtual_board import VirtualBoard
from nomul.gen.presets import load_config
from nomul.sw import golden
from nomul.sw.compile import compile_network
from nomul.sw.driver.board import Board, BoardError
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.serial_port import SerialLink

from .hardware import small_config

pytestmark = pytest.mark.cosim
CONFIG = load_config("tiny")
NETWORK = random_network(2, CONFIG)
PROGRAM = compile_network(NETWORK, CONFIG)
CODES = random_codes(2, NETWORK, 12)
SERIAL = [board for board in BOARDS if board.baud]


def connect(virtual, timeout=60):
    return Board(SerialLink(virtual.port, 1_000_000), timeout=timeout)


def check(board):
    np.testing.assert_array_equal(board.run(CODES).logits, golden.run(NETWORK, CODES))


@pytest.mark.parametrize("level", ["byte", "uart"])
def test_noise_makes_it_slower_and_nothing_else(level):
    random.seed(1)
    with VirtualBoard(CONFIG, level, faults=Faults.noise(1e-3, seed=3)) as virtual, connect(virtual, 0.3) as board:
        board.push(PROGRAM)
        check(board)
        assert virtual._damage_there.count + virtual._damage_back.count > 3


def test_board_that_is_reset_in_the_middle_of_a_push_never_says_that_it_holds_the_network():
    with VirtualBoard(CONFIG) as virtual, connect(virtual) as board:
        board.push(PROGRAM)
        total = virtual.received
    outcomes, messages = set(), []
    for after in random.Random(0).sample(range(total), 12):
        with VirtualBoard(CONFIG, faults=Faults(reset_after=after)) as virtual, connect(virtual, 1.0) as board:
            try:
                board.push(PROGRAM)
                outcomes.add("pushed")
            except (BoardError, LinkError) as error:
                outcomes.add("refused")
                messages.append(str(error))
                assert board.info().network_hash is None
                board.push(PROGRAM)
            check(board)
    assert outcomes == {"pushed", "refused"}
    assert all("Push again" in message or "push it first" in message for message in messages)


def test_board_that_is_reset_while_it_runs_says_so():
    with VirtualBoard(CONFIG) as virtual, connect(virtual) as board:
        board.push(PROGRAM)
        total = virtual.received
    with VirtualBoard(CONFIG, faults=Faults(reset_after=total + 400)) as virtual, connect(virtual, 1.0) as board:
        board.push(PROGRAM)
        with pytest.raises(BoardError, match=r"holds no network any more \(was it switched off\?\): push it again"):
            board.run(CODES)
        board.push(PROGRAM)
        check(board)


def test_cable_that_comes_off_is_one_line_and_the_board_starts_again_empty():
    virtual = VirtualBoard(CONFIG, faults=Faults(disconnect_after=300))
    with virtual, connect(virtual) as board, \
            pytest.raises(LinkError, match=r"cannot (read from|write to) /dev/.*: is the board still plugged in\?"):
        board.push(PROGRAM)
    with virtual, connect(virtual) as board:
        assert board.info().network_hash is None
        board.push(PROGRAM)
        check(board)


def top_config(board):
    """The board's preset; of larger ones, the same link with a small array, which is built in seconds."""
    preset = load_config(board.preset)
    if preset.lanes * preset.columns <= 16:
        return preset
    return small_config(frame_bytes=preset.frame_bytes, weight_decoder=preset.weight_decoder)


@pytest.mark.parametrize("board", SERIAL, ids=lambda board: board.name)
def test_top_level_of_each_board_runs_a_network_bit_by_bit(board):
    config = top_config(board)
    network = random_network(4, config)
    codes = random_codes(4, network, 2)
    with VirtualBoard(config, "uart", board=board) as virtual, connect(virtual) as host:
        host.push(compile_network(network, config))
        np.testing.assert_array_equal(host.run(codes).logits, golden.run(network, codes))
        # Bytes take as long as they do on the board.
        assert virtual.cycles > 10 * board.divisor * max(virtual.received, virtual.sent) * 0.99


def test_port_named_after_a_board_has_its_preset_and_tells_its_rates():
    board = min(SERIAL, key=lambda board: load_config(board.preset).lanes * load_config(board.preset).columns)
    config = load_config(board.preset)
    network = random_network(5, config)
    codes = random_codes(5, network, 6)
    with nomul.sw.driver.open(f"virtual:{board.name}") as host:
        assert repr(host) == f"<SimulatedBoard virtual:{board.name}: nothing pushed>"
        assert host.push(network).sent > 0
        result = host.run(codes)
        rates = host.rates(result)
        assert f": {network.name}>" in repr(host)
    np.testing.assert_array_equal(result.logits, golden.run(network, codes))
    assert rates["array"] == board.clock_hz / result.cycles.mean()
    # An image goes with at least 10 bytes around it.
    assert 0 < rates["line"] < board.baud / 10 / (codes[0].size + 10)


def test_board_without_a_serial_line_has_bytes_only():
    board = next(board for board in BOARDS if not board.baud)
    with pytest.raises(BoardFactsError, match=f"board {board.name} has no serial line: only level byte"):
        VirtualBoard(CONFIG, "uart", board=board)
    with VirtualBoard(CONFIG, board=board) as virtual, connect(virtual) as host:
        assert host.info().config_hash == CONFIG.hash
