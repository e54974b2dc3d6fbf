import random
import subprocess
import sys
import zlib

import numpy as np
import pytest

from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.spec.config import INTERFACE_VERSION
from nomul.gen.spec.program import DESCRIPTOR_WORDS
from nomul.gen.spec.registers import INPUT_FIELDS, Region, address_of, depth, word_bytes
from nomul.sw.compile import compile_network
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.driver.board import Board, BoardError
from nomul.sw.driver.device_model import DeviceModel
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.transport import RefusedError
from nomul.sw.machine import Machine
from nomul.sw.network import Tensor

from .faults import FaultyLink
from .hardware import small_config

CONFIG = small_config(accumulator_bits=23, weight_stream=True)
SHAPES = {"small": (2, 4, 5), "large": (3, 9, 7)}       # of 40 and 189 bytes: within and beyond a frame of 64
STREAM = {"small": 0, "large": 70}      # words of weights that are sent for each image


def compiled(seed=1, shape="small", config=CONFIG, classes=5):
    """A made-up program; the model of the device does not execute it."""
    rng = np.random.default_rng(seed)

    def words(region, count):
        return rng.integers(0, 256, (count, word_bytes(region, config)), np.uint8)

    channels, height, width = SHAPES[shape]
    return CompiledNetwork(
        name=f"net{seed}", config=config, network_hash=f"{seed:016x}",
        program=rng.integers(0, 1 << 32, (3, DESCRIPTOR_WORDS), np.uint32), steps=["one", "two"],
        weights=words(Region.WEIGHTS, 100), stream=words(Region.WEIGHTS, STREAM[shape]),
        parameters=words(Region.PARAMETERS, 20),
        input=Tensor(channels, height, width, 7, 0), windows=dict.fromkeys(sum(INPUT_FIELDS.values(), ()), 1),
        classes=classes, tensors={}, metadata={})


def results(weights, image, classes):
    """A stand-in for a network that depends on every weight and every pixel."""
    digest = random.Random(zlib.crc32(weights + image))
    return [digest.randrange(-0x8000, 0x8000) for _ in range(classes)]


def device(network, config=CONFIG):
    pixels = network.input.channels * network.input.height * network.input.width

    def run(memories):
        weights, image = bytes(memories[Region.WEIGHTS]), bytes(memories[Region.INPUT][:pixels])
        weights += bytes(memories[Region.WEIGHT_STREAM])
        memories[Region.INPUT][:5] = b"\xff" * 5        # a run may overwrite its input
        return results(weights, image, network.classes), len(image)

    return DeviceModel(config, run)


def images_of(network, number, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (number, *network.input.shape), np.uint8)


def expected(network, images):
    weights = network.weights.tobytes()
    weights += bytes(depth(Region.WEIGHTS, CONFIG) * word_bytes(Region.WEIGHTS, CONFIG) - len(weights))
    weights += network.stream.tobytes()
    return np.array([results(weights, network.image_bytes(image), network.classes) for image in images])


def holds(model, network):
    """Whether the device's memories have all of the network."""
    return all(bytes(model.memories[region]).startswith(content.tobytes()) for region, content in (
        (Region.PROGRAM, network.program), (Region.WEIGHTS, network.weights), (Region.PARAMETERS, network.parameters)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", [1, 4])
def test_pushed_network_runs_images(shape, window):
    network = compiled(shape=shape)
    model = device(network)
    images = images_of(network, 7)
    with Board(model, window=window) as board:
        board.push(network)
        result = board.run(images)
    assert holds(model, network)
    assert {name: model.register(name) for name in network.registers()} == network.registers()
    assert result.logits.dtype == np.int16
    np.testing.assert_array_equal(result.logits, expected(network, images))
    np.testing.assert_array_equal(result.top, expected(network, images).argmax(axis=1))
    np.testing.assert_array_equal(result.cycles, [network.input.channels * network.input.height
                                                  * network.input.width] * 7)


def test_real_network_gives_what_the_machine_model_gives():
    config = small_config()
    network = random_network(3, config)
    program = compile_network(network, config)
    machine = Machine(config)
    machine.load(program)

    def run(memories):
        shape = (network.input.height, network.input.width, network.input.channels)
        pixels = np.frombuffer(bytes(memories[Region.INPUT][:int(np.prod(shape))]), np.uint8)
        logits, _ = machine.run(pixels.reshape(shape).transpose(2, 0, 1))
        return [int(value) for value in logits], 1

    codes = random_codes(5, network, 4)
    with Board(DeviceModel(config, run)) as board:
        board.push(program)
        result = board.run(codes)
    for image, logits, top in zip(codes, result.logits, result.top, strict=True):
        values, best = machine.run(image)
        assert (list(values), best) == (list(logits), top)


def test_info_tells_what_the_board_holds():
    network = compiled()
    with Board(device(network)) as board:
        info = board.info()
        assert (info.interface, info.config_hash, info.network_hash, info.frame_bytes, info.frame_errors) == (
            INTERFACE_VERSION, CONFIG.hash, None, 64, 0)
        board.push(network)
        assert board.info().network_hash == network.hash


def test_progress_ends_at_the_total():
    network = compiled()
    calls = {"push": [], "run": []}
    with Board(device(network)) as board:
        board.push(network, lambda *call: calls["push"].append(call))
        board.run(images_of(network, 3), lambda *call: calls["run"].append(call))
    total = network.program.nbytes + network.weight_stream_bytes + 4 * 9     # and as many registers
    assert calls["push"][-1] == (total, total)
    assert [done for done, _ in calls["push"]] == sorted({done for done, _ in calls["push"]})
    assert calls["run"] == [(1, 3), (2, 3), (3, 3)]


def test_network_for_another_configuration_is_refused_before_a_byte_is_written():
    other = small_config(accumulator_bits=24)
    network = compiled(config=other)
    model = device(network)
    before = {region: bytes(memory) for region, memory in model.memories.items()}
    with Board(model) as board, pytest.raises(BoardError, match=f"net1 is compiled for configuration test "
                                                               rf"\({other.hash}\), the board has {CONFIG.hash}"):
        board.push(network)
    assert {region: bytes(memory) for region, memory in model.memories.items()} == before


@pytest.mark.parametrize(("name", "value", "message"), [
    ("MAGIC", 0x12345678, "no nomul accelerator: its first register is 0x12345678"),
    ("INTERFACE", 99, f"the board has interface version 99, this nomul {INTERFACE_VERSION}"),
])
def test_device_of_another_kind_is_refused(name, value, message):
    network = compiled()
    model = device(network)
    start = 4 * address_of(name)
    model.memories[Region.REGISTERS][start:start + 4] = value.to_bytes(4, "little")
    with Board(model) as board, pytest.raises(BoardError, match=message):
        board.push(network)


def test_memory_that_does_not_keep_what_is_written_is_found_and_the_board_holds_no_network():
    network = compiled()
    model = device(network)

    class Worn(bytearray):
        def __setitem__(self, place, value):
            super().__setitem__(place, value)
            super().__setitem__(9, self[9] & ~4)

    network.parameters.reshape(-1)[9] |= 4
    model.memories[Region.PARAMETERS] = Worn(model.memories[Region.PARAMETERS])
    with Board(model) as board:
        with pytest.raises(BoardError, match="PARAMETERS of the board does not hold what was written"):
            board.push(network)
        assert board.info().network_hash is None
        with pytest.raises(BoardError, match="no network to run: push one first"):
            board.run(images_of(network, 1))


def test_second_network_replaces_the_first():
    first, second = compiled(1), compiled(2)
    with Board(device(first)) as board:
        board.push(first)
        board.push(second)
        images = images_of(second, 3)
        np.testing.assert_array_equal(board.run(images).logits, expected(second, images))


def test_network_that_another_program_pushed_is_not_run_for_ours():
    ours, theirs = compiled(1), compiled(2)
    model = device(ours)
    board, other = Board(model), Board(model)
    board.push(ours)
    other.push(theirs)
    with pytest.raises(BoardError, match=f"the board holds network {theirs.hash}, not net1"):
        board.run(images_of(ours, 1))


def test_network_on_the_board_can_be_used_without_a_push():
    network = compiled()
    model = device(network)
    with pytest.raises(BoardError, match="the board holds no network, not net1"):
        Board(model).use(network)
    Board(model).push(network)
    board, images = Board(model), images_of(network, 2)
    board.use(network)
    np.testing.assert_array_equal(board.run(images).logits, expected(network, images))


def test_board_that_loses_its_network_while_running_says_so():
    network = compiled()
    model = device(network)

    def switch_off(done, total):
        model.memories[Region.REGISTERS][4 * address_of("STATUS")] = 0

    with Board(model, window=1) as board:
        board.push(network)
        with pytest.raises(BoardError, match=r"holds no network any more \(was it switched off\?\): push it again"):
            board.run(images_of(network, 3), switch_off)


def test_images_of_a_wrong_shape_are_refused():
    network = compiled()
    with Board(device(network)) as board:
        board.push(network)
        with pytest.raises(BoardError, match=r"must have the shape \(images, channels, height, width\), not"):
            board.run(images_of(network, 1)[0])


def test_more_classes_than_an_answer_holds_are_refused():
    network = compiled(classes=29)
    with Board(device(network)) as board, pytest.raises(BoardError, match="29 results is longer than a frame"):
        board.push(network)


def test_memory_is_read_written_and_summed_in_words():
    network = compiled()
    with Board(device(network)) as board:
        with pytest.raises(BoardError, match="how long a word of WEIGHTS is depends on the configuration"):
            board.read(Region.WEIGHTS, 0, 1)
        board.push(network)
        content = random.Random(1).randbytes(50 * word_bytes(Region.PARAMETERS, CONFIG))
        board.write(Region.PARAMETERS, 10, content)
        assert board.read(Region.PARAMETERS, 10, 50) == content
        assert board.checksum(Region.PARAMETERS, 10, 50) == zlib.crc32(content)
        with pytest.raises(RefusedError, match="READ: BAD_ADDRESS"):
            board.read(Region.PARAMETERS, 10, 1000)


def test_silent_board_is_an_error():
    class Silence:
        def write(self, data):
            pass

        def read(self, timeout):
            return b""

    with pytest.raises(LinkError, match="no answer from the board"):
        Board(Silence()).push(compiled())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(8))
def test_with_faults_every_push_and_run_is_right_or_an_error(shape, seed):
    random.seed(seed)
    network = compiled(seed, shape)
    model = device(network)
    link = FaultyLink(model, [0.0003, 0.001, 0.004, 0.02][seed % 4], seed)
    images = images_of(network, 12, seed)
    done = 0
    for _ in range(4):
        board = Board(link, window=1 + seed % 4)
        try:
            board.push(network)
            assert holds(model, network)
            np.testing.assert_array_equal(board.run(images).logits, expected(network, images))
            done += 1
        except LinkError:
            assert bytes(model.memories[Region.WEIGHTS]).startswith(network.weights.tobytes()) \
                or not model.register("NETWORK_LOW")
        for region, content in ((Region.WEIGHTS, network.weights), (Region.PARAMETERS, network.parameters)):
            size, memory = content.shape[1], model.memories[region]
            for n, word in enumerate(content):
                assert bytes(memory[n * size:(n + 1) * size]) in (bytes(size), word.tobytes())
    assert link.faults > 0
    if link.rate <= 0.001:
        assert done == 4


def test_driver_needs_neither_torch_nor_amaranth_nor_pyserial():
    code = "import sys, nomul.sw.driver.board; sys.exit(bool({'torch', 'amaranth', 'serial'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
