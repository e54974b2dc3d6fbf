"""Networks whose weights do not fit: sent while they run, from the host driver to the simulated accelerator."""

import random
from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.link import SimulationLink
from nomul.cosim.random_layer import Bounds
from nomul.cosim.random_network import random_codes, random_network
from nomul.cosim.trace import trace_tensors
from nomul.gen.presets import load_config
from nomul.gen.spec.frames import RUN_NUMBERS
from nomul.gen.spec.registers import RUN_BIT, Region, address_of, word_bytes
from nomul.hdl.fabric import Fabric
from nomul.sw import golden
from nomul.sw.compile import compile_network
from nomul.sw.cycles import predict
from nomul.sw.driver.board import Board
from nomul.sw.machine import Machine

from .faults import FaultyLink

LARGE = replace(load_config("tiny"), image_bytes=1024, weight_words=1 << 14, activation_words=1024, parameter_words=512)
CONFIG = replace(LARGE, name="tiny_stream", weight_words=160, weight_stream=True)
BOUNDS = Bounds(channels=14, size=12)


def networks():
    """Four that need several times the weight memory, and read a streamed group more than once."""
    found = []
    seed = 0
    while len(found) < 4:
        network = random_network(seed, CONFIG, BOUNDS)
        again = [layer for layer in compile_network(network, CONFIG).descriptors()
                 if layer["streamed"] and layer["output_pixels"] > layer["block"]]
        if again and len(compile_network(network, LARGE).weights) > 3 * CONFIG.weight_words:
            found.append(network)
        seed += 1
    return found


NETWORKS = networks()


@pytest.fixture(scope="module", params=[False, True], ids=["", "late memories"])
def simulation(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fabric, "late_memories", request.param)
        return SimulationLink(CONFIG)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_the_compiler_streams_what_does_not_fit_and_nothing_else_changes(network):
    compiled, whole = compile_network(network, CONFIG), compile_network(network, LARGE)
    assert len(compiled.weights) < CONFIG.weight_words < len(whole.weights)
    for name, mine, other in zip(whole.steps, compiled.step_weights(), whole.step_weights(), strict=True):
        np.testing.assert_array_equal(mine, other, err_msg=name)
    assert len(compiled.stream) + len(compiled.weights) == len(whole.weights)
    machine, codes = Machine(CONFIG), random_codes(1, network, 2)
    machine.load(compiled)
    np.testing.assert_array_equal([machine.run(image)[0] for image in codes], golden.run(network, codes))


@pytest.mark.cosim
@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_weights_arrive_while_the_network_runs(simulation, network, window):
    compiled, codes = compile_network(network, CONFIG), random_codes(7, network, 6)
    board = Board(simulation, window=window)
    board.push(compiled)
    result = board.run(codes)
    np.testing.assert_array_equal(result.logits, golden.run(network, codes))
    layers = predict(compiled)
    spent = board.cycles()
    assert spent["busy"] == sum(layer.busy for layer in layers)
    assert spent["weights"] > sum(layer.weights for layer in layers)        # the line is slower than the array
    assert result.cycles.min() > sum(layer.total for layer in layers)
    # Not much longer than the line needs: a byte of it takes a cycle, two or three in the host processor.
    assert result.cycles.max() < 5 * compiled.stream.size + 2 * sum(layer.total for layer in layers)


@pytest.mark.cosim
@pytest.mark.parametrize("seed", range(4))
def test_with_faults_every_weight_is_the_right_one(simulation, seed):
    random.seed(seed)
    network = NETWORKS[seed]
    compiled, codes = compile_network(network, CONFIG), random_codes(seed, network, 5)
    Board(simulation).push(compiled)
    link = FaultyLink(simulation, 0.0005, seed)
    board = Board(link, timeout=0.05)
    board.use(compiled)
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))
    assert link.faults


@pytest.mark.cosim
def test_every_layer_is_compared(simulation):
    network = NETWORKS[0]
    traced = trace_tensors(simulation, compile_network(network, CONFIG), network, random_codes(3, network, 2))
    assert (traced.differing_bits, traced.images) == (0, 2)
    assert traced.tensors == 2 * len(network.layers)


@pytest.mark.cosim
def test_a_run_that_another_process_left_without_its_weights_does_no_harm(simulation):
    network, other = NETWORKS[:2]
    compiled, codes = compile_network(network, CONFIG), random_codes(2, network, 3)
    board = Board(simulation)
    board.push(compiled)
    room = board.room(4)

    def leave(pieces):
        number = board.registers()["RUN"] + 1
        [next(board._transport.exchange([board.start_requests(number, compiled.image_bytes(codes[0]))]))]
        requests = list(board.stream_requests(number, compiled.stream))[:pieces]
        assert len(list(board._transport.exchange(requests))) == pieces

    assert compiled.stream.size > 3 * room
    for pieces in (0, 1, 3):
        leave(pieces)
        assert board.registers()["STATUS"] & 1
        board = Board(simulation)
        board.use(compiled)
        np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))
    leave(1)
    board.push(compile_network(other, CONFIG))      # while the run waits for weights
    codes = random_codes(3, other, 3)
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(other, codes))


@pytest.mark.cosim
def test_weights_that_nobody_asked_for_do_not_block_the_link(simulation):
    """More than the ring holds: with no run, of another run, not in order, and in the middle of one."""
    network = NETWORKS[0]
    compiled, codes = compile_network(network, CONFIG), random_codes(2, network, 3)
    board = Board(simulation)
    board.push(compiled)
    size = word_bytes(Region.WEIGHT_STREAM, CONFIG)
    junk = bytes(size * 2 * CONFIG.weight_words)
    board.write(Region.WEIGHT_STREAM, board.registers()["RUN"] << RUN_BIT, junk)
    board.write(Region.WEIGHT_STREAM, (board.registers()["RUN"] + 3) % RUN_NUMBERS << RUN_BIT, junk)
    board.write(Region.WEIGHT_STREAM, (board.registers()["RUN"] << RUN_BIT) + 5, junk)
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))
    # A run of wrong weights, with too many of them; the next ones are right again.
    number = board.registers()["RUN"] + 1
    [next(board._transport.exchange([board.start_requests(number, compiled.image_bytes(codes[0]))]))]
    board.write(Region.WEIGHT_STREAM, number % RUN_NUMBERS << RUN_BIT, bytes(compiled.stream.size + len(junk)))
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))


@pytest.mark.cosim
def test_a_ring_that_is_too_small_does_not_block_the_link(simulation):
    network = NETWORKS[0]
    compiled, codes = compile_network(network, CONFIG), random_codes(2, network, 1)
    board = Board(simulation)
    board.push(compiled)
    board.write(Region.REGISTERS, address_of("STREAM_BASE"), (CONFIG.weight_words - 2).to_bytes(4, "little"))
    board.write(Region.REGISTERS, address_of("NETWORK_LOW"), bytes(8))
    board.write(Region.REGISTERS, address_of("NETWORK_LOW"), b"\1" + bytes(7))
    number = board.registers()["RUN"] + 1
    [next(board._transport.exchange([board.start_requests(number, compiled.image_bytes(codes[0]))]))]
    for group in board.stream_requests(number, compiled.stream):
        list(board._transport.exchange([group]))
    assert board.registers()["STATUS"] & 1      # it still waits, as it should
    board.push(compiled)
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))
