"""A push sends only what the board does not hold, and may be interrupted at any byte."""

import contextlib
import copy
import itertools

import numpy as np
import pytest

from nomul.gen.spec.frames import Operation
from nomul.gen.spec.registers import Region, address_of, word_bytes
from nomul.sw.driver.board import Board, BoardError
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.memory import Section
from nomul.sw.driver.sections import cut, network_sections

from .hardware import small_config
from .test_sw_driver_board import CONFIG, compiled, device, expected, holds, images_of
from .test_sw_driver_transport import Recorder

#: Bytes that are sent where one is different, at most.
PIECE = 1 << 12


def replaced(network, **words):
    """The network with other bytes: ``weights={word: value}``."""
    arrays = {name: getattr(network, name).copy() for name in words}
    for name, changes in words.items():
        for word, value in changes.items():
            arrays[name][word] = value
    return with_fields(network, **arrays)


def with_fields(network, **fields):
    return type(network)(**({name: getattr(network, name) for name in network.__dataclass_fields__} | fields))


def writes(link):
    """Bytes that were written into memories, of the frames that a recorder saw."""
    return sum(len(payload) - 4 for _, operation, payload in link.frames
               if operation == Operation.WRITE and payload[0] != Region.REGISTERS)


# What is sent. ----------------------------------------------------------------------------------------------


def test_first_push_sends_everything_and_the_second_nothing():
    network = compiled()
    model = device(network)
    total = network.program.nbytes + network.weights.size + network.parameters.size + 4 * 9
    with Board(model) as board:
        first, second = board.push(network), board.push(network)
    assert (first.sent, first.total, first.name, first.network_hash) == (total, total, "net1", network.hash)
    assert (second.sent, second.total) == (0, total)
    link = Recorder(model)
    Board(link).push(network)       # another process
    assert not [operation for _, operation, _ in link.frames if operation == Operation.WRITE]


def test_network_stays_loaded_while_nothing_changes():
    network = compiled()
    model = device(network)
    Board(model).push(network)

    class ReadOnly(Recorder):
        def write(self, data):
            super().write(data)
            assert self.frames[-1][1] != Operation.WRITE

    Board(ReadOnly(model)).push(network)
    assert model.register("NETWORK_LOW") == int(network.hash, 16) & 0xFFFFFFFF


@pytest.mark.parametrize("words", [{"weights": {0: 7}}, {"weights": {99: 7}}, {"parameters": {19: 1, 0: 1}},
                                   {"program": {1: 5}}])
def test_only_the_pieces_around_a_change_are_sent(words):
    network = compiled()
    other = replaced(network, **words)
    model = device(network)
    board = Board(model)
    board.push(network)
    link = Recorder(model)
    result = Board(link).push(other)
    name, = words
    assert 0 < result.sent <= getattr(network, name).nbytes
    assert writes(link) == result.sent
    assert holds(model, other)
    assert board.info().network_hash == other.hash


LARGE = small_config(accumulator_bits=23, weight_words=1 << 15)


def large_network(words, seed=0):
    size = word_bytes(Region.WEIGHTS, LARGE)
    content = np.random.default_rng(seed).integers(0, 256, (words, size), np.uint8)
    if LARGE.weight_word_bits % 8:
        content[:, -1] %= 1 << LARGE.weight_word_bits % 8
    return with_fields(compiled(config=LARGE), weights=content)


def test_change_in_a_large_memory_costs_a_small_piece():
    network = large_network(30_000)
    other = replaced(network, weights={15_000: 1})
    model = device(network, LARGE)
    Board(model).push(network)
    assert Board(model).push(other).sent <= PIECE
    assert holds(model, other)


def test_damage_in_the_boards_memory_is_mended_by_pushing_again():
    network = compiled()
    model = device(network)
    Board(model).push(network)
    model.memories[Region.WEIGHTS][123] ^= 1
    model.memories[Region.REGISTERS][4 * address_of("RESULT_COUNT")] ^= 1
    assert 0 < Board(model).push(network).sent <= PIECE + 4 * 9
    assert holds(model, network)
    assert model.register("RESULT_COUNT") == network.classes


@pytest.mark.parametrize("seed", range(20))
def test_pieces_that_differ_are_sent_and_no_others(seed):
    rng = np.random.default_rng(seed)
    network = large_network(30_000)
    model, size = device(network, LARGE), network.weights.shape[1]
    Board(model).push(network)
    weights, changes = network.weights.copy(), rng.integers(0, 5)
    for _ in range(changes):
        start = rng.integers(len(weights))
        weights[start:start + rng.integers(1, 2_000)] ^= 1
    other = with_fields(network, weights=weights)
    different = int((weights != network.weights).any(axis=1).sum()) * size
    link = Recorder(model)
    sent = Board(link).push(other).sent
    assert holds(model, other)
    assert sent == writes(link)
    assert different <= sent <= different + 2 * PIECE * changes
    questions = sum(operation == Operation.CHECKSUM for _, operation, _ in link.frames)
    assert questions <= sum(-(-len(section.content) // (PIECE // 2)) for section in network_sections(other)) \
        + 2 * -(-sent // (PIECE // 2)) + 2


def test_nothing_is_asked_for_that_depends_on_an_answer_while_the_line_could_be_used():
    """Of a network that is all new, frames of weights follow each other with at most two questions in between."""
    network = large_network(30_000)
    link = Recorder(device(network, LARGE))
    Board(link).push(network)
    kinds = [operation for _, operation, payload in link.frames
             if operation in (Operation.WRITE, Operation.CHECKSUM) and payload[0] == Region.WEIGHTS]
    first = kinds.index(Operation.WRITE)
    runs = [len(list(run)) for operation, run in itertools.groupby(kinds[first:]) if operation == Operation.CHECKSUM]
    assert max(runs) <= 2
    assert len(runs) > 20


def test_pieces_have_whole_words():
    config = small_config(accumulator_bits=23)
    size = word_bytes(Region.PARAMETERS, config)
    pieces = list(cut(Section(Region.PARAMETERS, 3, bytes(10 * size)), 4 * size - 1, config))
    assert [(piece.address, len(piece.content) // size) for piece in pieces] == [(3, 3), (6, 3), (9, 3), (12, 1)]
    single = cut(Section(Region.PARAMETERS, 0, bytes(2 * size)), 1, config)
    assert [len(piece.content) for piece in single] == [size, size]


def test_registers_of_a_network_are_one_section():
    section, *_ = network_sections(compiled())
    assert (section.region, section.address, len(section.content)) == (Region.REGISTERS, address_of("INPUT_MAP"), 36)


# Interruptions. ---------------------------------------------------------------------------------------------


class CutLink:
    """Passes so many bytes to the device, then fails; what the device answers always comes."""

    def __init__(self, link, room, error=LinkError):
        self._link, self.room, self._error = link, room, error

    def write(self, data):
        self._link.write(data[:self.room])
        self.room -= len(data)
        if self.room < 0:
            self.room = 0
            raise self._error("cut")

    def read(self, timeout):
        return self._link.read(timeout)

    def close(self):
        pass


def line_bytes(model, network):
    """Bytes that a push of `network` sends."""
    link = CutLink(copy.deepcopy(model), 1 << 30)
    Board(link).push(network)
    return (1 << 30) - link.room


@pytest.mark.parametrize(("other", "step"), [
    (replaced(compiled(1), weights={5: 1}), 1), (compiled(2), 17)], ids=["one word", "everything"])
@pytest.mark.parametrize("error", [LinkError, KeyboardInterrupt])
def test_push_that_ends_after_any_byte_leaves_the_old_network_or_none_or_the_new_one(other, step, error):
    old = compiled(1)
    start = device(old)
    Board(start).push(old)
    seen = set()
    for room in range(0, line_bytes(start, other) + step, step):
        model = copy.deepcopy(start)
        with contextlib.suppress(error):
            Board(CutLink(model, room, error)).push(other)
        fresh = Board(model)        # finds the line in the middle of a frame
        held = fresh.info().network_hash
        assert held in (None, old.hash, other.hash)
        seen.add(held)
        for network in (old, other):
            if held == network.hash:
                assert holds(model, network)
                assert {name: model.register(name) for name in network.registers()} == network.registers()
    assert seen == {None, old.hash, other.hash}


@pytest.mark.parametrize("when", [1, 2, 3, 5, 6])
def test_board_that_is_switched_off_while_the_rest_arrives_is_found(when):
    network = large_network(3000)
    model, calls = device(network, LARGE), itertools.count(1)

    def switch_off(done, total):
        if next(calls) == when:
            for region in (Region.REGISTERS, Region.PROGRAM, Region.WEIGHTS, Region.PARAMETERS):
                memory = model.memories[region]
                start = 4 * address_of("INPUT_MAP") if region == Region.REGISTERS else 0
                memory[start:] = bytes(len(memory) - start)

    with pytest.raises(BoardError, match="was it switched off meanwhile"):
        Board(model).push(network, switch_off)
    assert next(calls) > when
    assert Board(model).info().network_hash is None
    Board(model).push(network)
    assert holds(model, network)


@pytest.mark.parametrize("room", range(0, 1000, 83))
def test_push_after_an_interrupted_one_sends_the_rest_and_runs(room):
    network = compiled(3)
    model = device(network)
    link = CutLink(model, room, KeyboardInterrupt)
    board = Board(link)
    with pytest.raises(KeyboardInterrupt):
        board.push(network)
    link.room = 1 << 30
    result = board.push(network)        # the same object, as in a notebook
    assert result.sent < result.total or room < 900
    images = images_of(network, 3)
    np.testing.assert_array_equal(board.run(images).logits, expected(network, images))


def test_half_of_a_network_is_not_sent_again():
    network = large_network(20_000)
    model = device(network, LARGE)
    total = line_bytes(model, network)
    with pytest.raises(LinkError, match="cut"):
        Board(CutLink(model, total * 2 // 3)).push(network)
    result = Board(model).push(network)
    assert 0 < result.sent < result.total * 2 // 5


def test_run_that_is_interrupted_leaves_a_board_that_runs():
    network = compiled(1, "large")
    model = device(network)
    Board(model).push(network)
    images = images_of(network, 5)
    for room in range(200, 3000, 277):
        link = CutLink(model, room, KeyboardInterrupt)
        board = Board(link)
        board.use(network) if room > 400 else None
        if room > 400:
            with pytest.raises(KeyboardInterrupt):
                board.run(images)
        fresh = Board(model)
        fresh.use(network)
        np.testing.assert_array_equal(fresh.run(images).logits, expected(network, images))


assert CONFIG.weight_stream     # so that runs above have to be restarted
