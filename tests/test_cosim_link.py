"""Host driver and gateware together: the simulated accelerator behind a line that damages what it carries."""

import random

import numpy as np
import pytest

from nomul.cosim.link import SimulationLink
from nomul.cosim.random_network import random_codes, random_network
from nomul.gen.presets import load_config
from nomul.gen.spec.registers import Region
from nomul.sw import reference
from nomul.sw.compile import compile_network
from nomul.sw.driver.board import Board
from nomul.sw.driver.link import LinkError

from .faults import FaultyLink

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
