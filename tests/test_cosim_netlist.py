"""The whole accelerator after synthesis, with the cells of a fabric, against the golden model."""

import numpy as np
import pytest

from nomul.cosim import netlist
from nomul.cosim.link import SimulationLink
from nomul.cosim.netlist import netlist_model, synthesize_accelerator
from nomul.cosim.random_network import random_codes, random_network
from nomul.cosim.toolchain import ToolchainError
from nomul.gen.presets import load_config
from nomul.gen.spec.operators import Operator
from nomul.gen.synth.synthesize import synthesize
from nomul.gen.synth.targets import TargetError
from nomul.sw import golden
from nomul.sw.compile import compile_network
from nomul.sw.driver.board import Board

from .conftest import tiny_network

CONFIG = load_config("tiny")


@pytest.mark.cosim
def test_netlist_for_ecp5_gives_the_bits_of_the_golden_model_without_a_multiplier():
    cells = synthesize_accelerator(CONFIG, "ecp5").cells
    assert {"DP16KD", "CCU2C", "LUT4", "TRELLIS_FF", "TRELLIS_DPR16X4"} == set(cells)
    board = Board(SimulationLink(CONFIG, model=netlist_model(CONFIG, "ecp5")))
    networks = [tiny_network(), *(random_network(seed, CONFIG) for seed in range(8))]
    kinds = set()
    for seed, network in enumerate(networks):
        codes = random_codes(seed, network, 4)
        board.push(compile_network(network, CONFIG))
        np.testing.assert_array_equal(board.run(codes).logits, golden.run(network, codes), network.name)
        kinds |= {getattr(layer, "operator", type(layer).__name__) for layer in network.layers}
    assert kinds == {*Operator, "MaxPool", "AveragePool", "Add", "Concat", "Upsample"}


def test_a_multiplier_in_the_netlist_is_an_error(monkeypatch):
    multiplier = "module tiny (input [8:0] a, b, output [17:0] y); assign y = a * b; endmodule"
    monkeypatch.setattr(netlist, "synthesize", lambda verilog, top, target, *, cache: synthesize(
        multiplier, top, target, dsp=True, cache=cache))
    with pytest.raises(ToolchainError, match="the netlist of 'tiny' for ecp5 has 1 multiplier blocks"):
        synthesize_accelerator(CONFIG, "ecp5")


def test_an_unknown_target_is_an_error():
    with pytest.raises(TargetError, match="there is no target 'stratix'"):
        synthesize_accelerator(CONFIG, "stratix")
