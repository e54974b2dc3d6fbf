"""The driver of the AXI peripheral, with the simulated peripheral in the place of PYNQ's objects."""

import sys
import types

import numpy as np
import pytest

from nomul.cosim.axi_dma import SimulatedPeripheral
from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.spec.axi import axi_address
from nomul.gen.spec.registers import Region, address_of, word_bytes
from nomul.sw import golden, reference
from nomul.sw.compile import compile_network
from nomul.sw.driver import open as open_board
from nomul.sw.driver import packets
from nomul.sw.driver.axi_board import AxiBoard
from nomul.sw.driver.dma import Peripheral
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.memory import BoardError, Section

from .hardware import small_config

pytestmark = pytest.mark.cosim
# That of the bench, whose Verilog is in the cache; a network with weights that are sent while it runs.
CONFIG = small_config(weight_words=64, weight_stream=True, activation_words=512, frame_bytes=512)


def board_of(peripheral, **options):
    return AxiBoard(Peripheral(peripheral, peripheral.data, peripheral.weights, peripheral.allocate, peripheral.now),
                    **options)


@pytest.fixture
def peripheral():
    return SimulatedPeripheral(CONFIG)


def network(seed, images):
    made = random_network(seed, CONFIG)
    codes = random_codes(seed, made, images)
    return compile_network(made, CONFIG), codes, golden.run(made, codes)


@pytest.mark.parametrize("seed", [6, 2])
def test_network_is_pushed_and_run_bit_exact(peripheral, seed):
    compiled, codes, expected = network(seed, 9)
    done = []
    with board_of(peripheral) as board:
        result = board.push(compiled, lambda *counts: done.append(counts))
        assert (result.sent, board.info().network_hash) == (result.total, compiled.hash)
        assert done[-1] == (result.total, result.total)
        run = board.run(codes)
        np.testing.assert_array_equal(run.logits, expected)
        np.testing.assert_array_equal(run.top, expected.argmax(axis=1))
        np.testing.assert_array_equal(board.run(codes[:1]).logits, expected[:1])
        assert (run.cycles > 0).all()
        assert board.push(compiled).sent == 0


def test_images_that_fill_no_whole_beat_follow_each_other(peripheral):
    """27 images in packets of 1, 2, 4, 8 and 12; none of them whole beats."""
    seed = next(seed for seed in range(50) if random_codes(seed, random_network(seed, CONFIG), 1).size % 8)
    compiled, codes, expected = network(seed, 27)
    board = board_of(peripheral)
    board.push(compiled)
    np.testing.assert_array_equal(board.run(codes).logits, expected)


def test_images_of_a_packet_follow_each_other_without_a_bubble(peripheral):
    """An image takes what the network takes, and a few cycles: the next one is transferred meanwhile."""
    made = next(made for made in (random_network(seed, CONFIG) for seed in range(50))
                if not len(compile_network(made, CONFIG).stream))
    compiled, codes = compile_network(made, CONFIG), random_codes(2, made, 64)
    board, times = board_of(peripheral), {}
    board.push(compiled)
    content = b"".join(map(compiled.image_bytes, codes))
    peripheral.write(axi_address("IMAGE_BYTES"), codes[0].size)
    for images in (20, 60):
        begin = peripheral.model.cycles
        received = peripheral.allocate((images * packets.record_bytes(compiled.classes, 8),), "u1")
        sent = np.frombuffer(content, np.uint8)
        peripheral.data.recvchannel.transfer(received, 0, received.nbytes)
        peripheral.data.sendchannel.transfer(sent, 0, images * codes[0].size)
        peripheral.data.recvchannel.wait()
        times[images] = peripheral.model.cycles - begin
        logits, _, cycles = packets.results(received, compiled.classes, 8)
        np.testing.assert_array_equal(logits, golden.run(made, codes[:images]))
    run = int(cycles[0])
    assert run > 2 * codes[0].size, "the transfer is the shorter part"
    assert 40 * run <= times[60] - times[20] <= 40 * (run + 8)


def test_image_at_a_time_gives_results_as_they_come(peripheral):
    compiled, codes, expected = network(6, 5)
    board = board_of(peripheral)
    board.push(compiled)
    for logits, result in zip(expected, board.stream(iter(codes)), strict=True):
        np.testing.assert_array_equal(result.logits, logits)
        assert result.top == logits.argmax()


def test_only_what_differs_is_sent_and_memories_can_be_read(peripheral):
    compiled, codes, _ = network(6, 1)
    other, other_codes, expected = network(2, 2)
    board = board_of(peripheral)
    board.push(compiled)
    assert board.read(Region.WEIGHTS, 0, len(compiled.weights)) == compiled.weights.tobytes()
    assert board.read(Region.REGISTERS, address_of("RESULT_COUNT"), 1) == compiled.classes.to_bytes(4, "little")
    assert 0 < board.push(other).sent <= board.push(compiled).total
    board.push(other)
    np.testing.assert_array_equal(board.run(other_codes).logits, expected)


def test_program_for_another_configuration_is_refused_before_a_byte_is_written(peripheral):
    foreign = small_config(weight_words=64, weight_stream=True, activation_words=256, frame_bytes=512)
    made = random_network(2, foreign)
    board = board_of(peripheral)
    before = peripheral.model.cycles
    peripheral.write = None         # whoever calls it fails
    with pytest.raises(BoardError, match="configuration"):
        board.push(compile_network(made, foreign))
    assert peripheral.model.cycles > before


def test_a_run_that_was_given_up_leaves_nothing_behind(peripheral):
    compiled, codes, expected = network(6, 8)
    board = board_of(peripheral)
    board.push(compiled)
    for taken in (1, 2, 5):
        for _ in zip(range(taken), board.stream(iter(codes)), strict=False):
            pass
        np.testing.assert_array_equal(board.run(codes[:3]).logits, expected[:3])
    next(iter(board.stream(iter(codes))))
    # Another process, which knows nothing of it.
    board = board_of(peripheral)
    board.use(compiled)
    np.testing.assert_array_equal(board.run(codes).logits, expected)


def test_board_that_lost_its_network_says_so(peripheral):
    compiled, codes, expected = network(6, 3)
    board = board_of(peripheral, timeout=0.05)
    with pytest.raises(BoardError, match="push one first"):
        board.run(codes)
    board.push(compiled)

    def images():
        for name in ("NETWORK_LOW", "NETWORK_HIGH"):
            peripheral.write(axi_address(name), 0)
        yield from codes

    with pytest.raises(BoardError, match="no network any more"):
        list(board.stream(images()))
    with pytest.raises(BoardError, match="the board holds no network"):
        board.run(codes)
    board.push(compiled)
    np.testing.assert_array_equal(board.run(codes).logits, expected)


def test_nothing_that_moves_and_what_does_not_exist_are_errors(peripheral):
    compiled, codes, expected = network(6, 3)
    board = board_of(peripheral, timeout=0.05)
    board.push(compiled)
    with pytest.raises(LinkError, match="CHECK"):
        board.read(Region.WEIGHTS, CONFIG.weight_words, 1)
    with pytest.raises(LinkError, match="SECTION"):
        board.write(Region.WEIGHTS, CONFIG.weight_words, bytes(word_bytes(Region.WEIGHTS, CONFIG)))
    peripheral.data.recvchannel.transfer = lambda *_: None
    with pytest.raises(LinkError, match=r"running images: nothing has moved for 0\.05 s; if .* raise the timeout"):
        board.run(codes)
    del peripheral.data.recvchannel.transfer
    np.testing.assert_array_equal(board.run(codes).logits, expected)
    peripheral.weights.sendchannel.error = True
    with pytest.raises(LinkError, match="the DMA stopped with an error"):
        list(board.send([Section(Region.ACTIVATIONS, 0, bytes(word_bytes(Region.ACTIVATIONS, CONFIG)))]))


def test_virtual_zynq_is_opened_by_its_name():
    compiled, codes, expected = network(6, 2)
    with open_board("virtual:pynq-z2", config=CONFIG) as board:
        assert isinstance(board, AxiBoard)
        board.push(compiled)
        result = board.run(codes)
        np.testing.assert_array_equal(result.logits, expected)
        assert board.rates(result) == {"array": pytest.approx(50e6 / result.cycles.mean()),
                                       "line": pytest.approx(50e6 / codes[0].size)}


def test_port_of_a_pynq_system(monkeypatch):
    """What the driver does with the package `pynq`, which there is only on a board: a stand-in with its interface."""
    compiled, codes, _ = network(6, 2)
    *_, expected = reference.trace(random_network(6, CONFIG), codes).values()
    loaded, freed = [], []

    class Buffer(np.ndarray):
        def freebuffer(self):
            freed.append(len(self))

    class Overlay:
        def __init__(self, name):
            if name != "demo.bit":
                raise FileNotFoundError(f"Bitstream file {name} does not exist.")
            loaded.append(name)
            self.nomul = SimulatedPeripheral(CONFIG)
            self.dma_data, self.dma_weights = self.nomul.data, self.nomul.weights
            self.ip_dict = dict.fromkeys(["nomul", "dma_data", "dma_weights"])

    class Other(Overlay):
        def __init__(self, name):
            self.ip_dict = {"axi_gpio_0": None}

    with pytest.raises(LinkError, match="Python has no package pynq here; run this on the board itself"):
        open_board("pynq:demo.bit")
    pynq = types.ModuleType("pynq")
    pynq.Overlay, pynq.allocate = Overlay, lambda shape, dtype: SimulatedPeripheral.allocate(shape, dtype).view(Buffer)
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    with open_board("pynq:demo.bit") as board:
        board.push(compiled)
        np.testing.assert_array_equal(board.run(codes).logits, expected.reshape(2, -1))
    assert loaded == ["demo.bit"]
    assert freed
    with pytest.raises(LinkError, match="cannot load 'other.bit' into the programmable logic: Bitstream file"):
        open_board("pynq:other.bit")
    pynq.Overlay = Other
    with pytest.raises(LinkError, match="'demo.bit' has no 'nomul' in its block design"):
        open_board("pynq:demo.bit")
