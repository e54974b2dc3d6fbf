# amaranth: UnusedElaboratable=no
"""Hand-made multipliers as each fabric builds them: netlists of its own cells, in Verilator, against arithmetic."""

import numpy as np
import pytest

from nomul.cosim.cells import with_models
from nomul.cosim.verilate import build
from nomul.cosim.verilated import VerilatedModel
from nomul.gen.bench.harness import Harness
from nomul.gen.bench.pes import PES, Size, build_array
from nomul.gen.synth.synthesize import synthesize
from nomul.gen.synth.targets import TARGETS
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FabricPlatform

pytestmark = pytest.mark.cosim

LANES, COLUMNS = 4, 2


def word(values, bits):
    """Values of some bits in one word, the first lowest: (cycles, n) to (cycles,)."""
    shifts = np.arange(values.shape[1], dtype=np.uint64) * np.uint64(bits)
    return (values.astype(np.uint64) << shifts).sum(axis=1)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["multiplier-rows", "multiplier-merged"])
def test_netlist_multiplies(name, target):
    array = build_array(name, target, Size(LANES, COLUMNS))
    frame = Harness(array, registers=True)
    verilog = emit_verilog(frame, "bench", FabricPlatform(target))
    netlist = synthesize(verilog, "bench", target).verilog.read_text()
    model = VerilatedModel(build(with_models(netlist, target), "bench"))

    rng = np.random.default_rng(5)
    x = rng.choice([0, 1, 127, 128, 254, 255, *range(256)], (300, LANES))
    weights = rng.choice([-128, -127, -1, 0, 1, 126, 127, *range(-128, 128)], (300, COLUMNS, LANES))
    codes = np.array([[array.encode(column.tolist()) for column in columns] for columns in weights])
    # Each word with x = 0 first, for the constant of its weights; each of the two for two cycles, of which the
    # accumulators keep the second.
    given_x = np.repeat(np.stack([0 * x, x], axis=1).reshape(-1, LANES), 2, axis=0)
    given_codes = np.repeat(codes.reshape(300, -1), 4, axis=0)
    cycles = len(given_x) + frame.latency
    first = (np.arange(cycles) - (frame.latency - 1)) % 2 == 0
    pad = ((0, frame.latency), (0, 0))
    seen = model.run({"activations": word(np.pad(given_x, pad), 8), "weights": word(np.pad(given_codes, pad), 8),
                      "first": first, "rst": np.zeros(cycles)}, ["accumulators", "shared"])

    bits = frame.accumulator_bits
    both = seen["accumulators"][frame.latency + 1::2]
    sums = np.stack([both & np.uint64((1 << bits) - 1), both >> np.uint64(bits)], axis=1).astype(np.int64)
    shared = seen["shared"][frame.latency - 1:][:len(given_x)].astype(np.int64)[3::4]
    assert (shared == x.sum(axis=1)).all()
    assert (sums[1::2] - sums[::2] - shared[:, None] == 2 * (weights * x[:, None, :]).sum(axis=2)).all()


@pytest.mark.parametrize(("name", "target"), [
    ("multiplier-dsp", "ice40"), ("multiplier-tool", "ecp5")])
def test_netlist_of_the_tools_multiplier_has_every_product(name, target):
    """Of the DSP blocks, only iCE40's have a published model."""
    array = build_array(name, target, Size(LANES, COLUMNS))
    frame = Harness(array, registers=True)
    result = synthesize(emit_verilog(frame, "bench", FabricPlatform(target)), "bench", target, dsp=PES[name].dsp)
    assert result.resources.dsps == (LANES * COLUMNS if PES[name].dsp else 0)
    model = VerilatedModel(build(with_models(result.verilog.read_text(), target), "bench"))
    rng = np.random.default_rng(6)
    mask = (1 << array.sum_bits) - 1
    for _ in range(100):
        x, weights = rng.integers(0, 256, LANES), rng.integers(-128, 128, (COLUMNS, LANES))
        codes = np.array([array.encode(column.tolist()) for column in weights])
        model.set("activations", int(word(x[None], 8)[0]))
        model.set("weights", int(word(codes.reshape(1, -1), 8)[0]))
        model.set("first", 1)
        model.tick(frame.latency)
        model.set("first", 0)
        model.tick()
        seen = [model.get("accumulators") >> frame.accumulator_bits * n & mask for n in range(COLUMNS)]
        assert seen == [int(total) & mask for total in (weights * x).sum(axis=1)]
