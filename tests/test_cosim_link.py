"""Host driver and gateware together: the simulated accelerator behind a line that damages what it carries."""

import contextlib
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from nomul.cosim.link import SimulationLink
from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.presets import load_config
from nomul.gen.spec.frames import RUN_NUMBERS
from nomul.gen.spec.registers import RUN_BIT, Region, address_of
from nomul.sw import golden, reference
from nomul.sw.compile import compile_network
from nomul.sw.driver.board import Board
from nomul.sw.driver.link import LinkError
from nomul.sw.fold_input import fold_input, image_windows

from .faults import FaultyLink
from .test_sw_driver_push import CutLink

CONFIG = load_config("tiny")
RATES = (0.0005, 0.002, 0.01)


@pytest.mark.cosim
def test_with_faults_no_byte_in_memory_is_wrong_and_every_run_is_right_or_an_error():
    random.seed(0)
    simulation = SimulationLink(CONFIG)
    right = dict.fromkeys(RATES, 0)
    for seed in range(12):
        network, rate = random_network(seed, CONFIG), RATES[seed % len(RATES)]
        compiled, codes = compile_network(network, CONFIG), random_codes(seed, network, 4)
        link = FaultyLink(simulation, rate, seed)
        try:
            board = Board(link, timeout=0.05)
            board.push(compiled)
            link.rate = 0
            for region, content in ((Region.PROGRAM, compiled.program), (Region.WEIGHTS, compiled.weights),
                                    (Region.PARAMETERS, compiled.parameters)):
                words = content.size if region is Region.PROGRAM else len(content)
                assert board.read(region, 0, words) == content.tobytes()
            link.rate = rate
            logits = board.run(codes).logits
        except LinkError:
            continue
        right[rate] += 1
        *_, expected = reference.trace(network, codes).values()
        np.testing.assert_array_equal(logits, expected.reshape(logits.shape))
    assert right[RATES[0]] == right[RATES[1]] == 4
    assert Board(simulation).info().frame_errors > 0


@pytest.mark.cosim
@pytest.mark.parametrize("window", [3, 4])
def test_images_follow_each_other_without_a_bubble(window):
    """All images but the first take what the network takes, and a few cycles: they are transferred meanwhile."""
    simulation = SimulationLink(CONFIG)
    network = random_network(2, CONFIG)
    compiled, codes = compile_network(network, CONFIG), random_codes(2, network, 40)
    board = Board(simulation, window=window)
    board.push(compiled)
    times = {}
    for images in (1, 2, 40):
        begin = simulation.model.cycles
        result = board.run(codes[:images])
        times[images] = simulation.model.cycles - begin
    run = int(result.cycles[0])
    assert (result.cycles == run).all()
    assert 38 * run <= times[40] - times[2] <= 38 * (run + 6)
    np.testing.assert_array_equal(result.logits, golden.run(network, codes))


@pytest.mark.cosim
def test_cycles_in_which_a_run_waits_for_its_image_are_counted():
    """A tap a cycle is packed, so windows that overlap take longer than their bytes; with no run before, all of it."""
    simulation = SimulationLink(CONFIG)
    network = next(network for seed in range(100)
                   if (network := random_network(seed, CONFIG)).input.height > 4
                   and math.prod(image_windows(network, fold_input(network, CONFIG), CONFIG)[side] for side in
                                 ("kernel_height", "kernel_width")) > 4)
    compiled, codes = compile_network(network, CONFIG), random_codes(2, network, 40)
    board = Board(simulation)
    board.push(compiled)
    taps = math.prod(compiled.windows[name] for name in ("kernel_height", "kernel_width", "channel_words",
                                                         "output_pixels"))
    board.run(codes[:1])
    waited = board.cycles()["input"]
    assert taps - 4 * codes[0].size < waited < taps
    board.run(codes)
    assert board.cycles()["input"] < waited


@pytest.mark.cosim
@pytest.mark.parametrize("seed", [4, 16])
@pytest.mark.parametrize("rate", [0.0, 0.001])
def test_images_of_several_frames_follow_each_other(seed, rate):
    random.seed(seed)
    config = replace(CONFIG, frame_bytes=64)
    simulation = SimulationLink(config)
    network = random_network(seed, config)
    compiled, codes = compile_network(network, config), random_codes(seed, network, 24)
    assert codes[0].size > 64
    Board(simulation).push(compiled)
    link = FaultyLink(simulation, rate, seed)
    board = Board(link, timeout=0.05)
    board.use(compiled)
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))
    assert bool(link.faults) == bool(rate)


@pytest.mark.cosim
def test_another_process_goes_on_after_runs_that_nobody_fetched():
    simulation = SimulationLink(CONFIG)
    network, other = random_network(2, CONFIG), random_network(3, CONFIG)
    compiled, codes = compile_network(network, CONFIG), random_codes(2, network, 5)

    def leave_a_run(board):
        number = int.from_bytes(board.read(Region.REGISTERS, address_of("RUN"), 1), "little") + 1
        next(board._transport.exchange([board.start_requests(number, compiled.image_bytes(codes[0]))]))
        return number

    board = Board(simulation)
    board.push(compiled)
    for left in range(1, 4):
        number = leave_a_run(board)
        # And part of another image.
        board.write(Region.INPUT, (number + 1) % RUN_NUMBERS << RUN_BIT, bytes(left))
        board = Board(simulation)
        board.use(compiled)
        np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes))
    leave_a_run(board)
    board.push(compile_network(other, CONFIG))      # while a run is at work
    codes = random_codes(3, other, 3)
    np.testing.assert_array_equal(board.run(codes).logits, golden.run(other, codes))


@pytest.mark.cosim
def test_push_that_is_cut_anywhere_leaves_the_old_network_or_none_or_the_new_one():
    networks = {name: random_network(seed, CONFIG) for name, seed in (("old", 2), ("new", 3))}
    programs = {name: compile_network(network, CONFIG) for name, network in networks.items()}
    codes = {name: random_codes(1, network, 2) for name, network in networks.items()}
    simulation = SimulationLink(CONFIG)
    Board(simulation).push(programs["old"])
    whole = CutLink(simulation, 1 << 30)
    Board(whole).push(programs["new"])
    total, held = (1 << 30) - whole.room, "new"
    seen = set()
    for room in random.Random(0).sample(range(total), 16):
        for name in {"old", "new"} - {held}:
            with contextlib.suppress(LinkError):
                Board(CutLink(simulation, room)).push(programs[name])
        board = Board(simulation, timeout=0.05)     # finds the line in the middle of a frame
        found = board.info().network_hash
        seen.add(found)
        assert found in (None, programs["old"].hash, programs["new"].hash)
        held = next((name for name, program in programs.items() if program.hash == found), "")
        if not held:
            held = "old"
            board.push(programs[held])
        board.use(programs[held])
        np.testing.assert_array_equal(board.run(codes[held]).logits, golden.run(networks[held], codes[held]))
    assert None in seen
    assert len(seen) > 1
