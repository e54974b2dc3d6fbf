# amaranth: UnusedElaboratable=no
import random
from itertools import product

import pytest
from amaranth.hdl import Assert, ClockDomain, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth_boards.arty_a7 import ArtyA7_35Platform
from amaranth_boards.de10_lite import DE10LitePlatform
from amaranth_boards.icestick import ICEStickPlatform
from amaranth_boards.kcu105 import KCU105Platform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from nomul.cosim.formal import RefutedError, prove
from nomul.cosim.side_by_side import SideBySide, fabric_verilog
from nomul.gen.guard import multiply_cells
from nomul.gen.synth.synthesize import synthesize
from nomul.gen.verilog import emit_verilog
from nomul.hdl.fabric import FABRICS, Fabric, FabricPlatform, Operand, fabric_of
from nomul.hdl.sim import simulate

GATES = (None, "invert", "saturate", "select")


class Sums(wiring.Component):
    """One call of a fabric's `add`, and its definition.

    `sums` is (bits, gate) of each addend of each sum. Addend j of sum i has the members value_i_j, gate_i_j, other_i_j.
    """

    def __init__(self, sums, width, claim=False):
        self.sums, self.width, self.claim = sums, width, claim
        members = {f"sum_{i}": Out(width) for i in range(len(sums))}
        for i, addends in enumerate(sums):
            for j, (bits, gate) in enumerate(addends):
                members[f"value_{i}_{j}"] = In(bits)
                if gate:
                    members[f"gate_{i}_{j}"] = In(1)
                if gate == "select":
                    members[f"other_{i}_{j}"] = In(bits)
        super().__init__(members)

    def inputs(self, i, j):
        return (getattr(self, f"{name}_{i}_{j}", None) for name in ("value", "gate", "other"))

    def operand(self, i, j, gate):
        value, signal, other = self.inputs(i, j)
        return Operand(value, other=other, **({gate: signal} if gate else {}))

    def addend(self, i, j, bits, gate):
        """Not with `Operand`: numbers, as the definition has them."""
        value, signal, other = self.inputs(i, j)
        top = Const((1 << bits) - 1, bits)
        if gate is None:
            return value
        return Mux(signal, {"invert": top - value, "saturate": top, "select": other}[gate], value)

    def elaborate(self, platform):
        m = Module()
        operands = [[self.operand(i, j, gate) for j, (_, gate) in enumerate(addends)]
                    for i, addends in enumerate(self.sums)]
        totals = fabric_of(platform).add(m, "add", operands, self.width)
        for i, (addends, total) in enumerate(zip(self.sums, totals, strict=True)):
            m.d.comb += getattr(self, f"sum_{i}").eq(total)
            if self.claim:
                right = sum(self.addend(i, j, *addend) for j, addend in enumerate(addends))
                m.d.comb += Assert(total == right[:self.width])
        return m


def pairs(first, second):
    """Two addends with every gate on each."""
    return [((first, a), (second, b)) for a, b in product(GATES, GATES)]


def cases(fabric):
    """Calls of `add` as (sums, width), by name."""
    found = {f"gates_{a}_{b}_{width}": (pairs(a, b), width) for a, b, width in (
        (3, 3, 4), (3, 3, 5), (3, 3, 3),    # a carry out, a bit more than needed, none
        (2, 4, 5), (4, 2, 5), (4, 1, 6),    # addends of unequal widths
        (4, 3, 2), (1, 1, 1), (1, 1, 2),    # sums narrower than an addend; single bits
    )}
    for count in (1, 2, 3, 16):
        found[f"count_{count}"] = [((4, "saturate"), (4, None))] * count, 5
        found[f"plain_{count}"] = [((4, None), (4, None))] * count, 5
    gated, plain, single, full = ((4, "invert"), (4, "invert")), ((4, None), (4, None)), ((4, None),), ((5, None),) * 2
    # Sums that share nothing with their neighbours, before, between and after some that might.
    for n, mixed in enumerate([(gated, single), (gated, full), (single, gated), (gated, full, gated), (plain, full),
                               (gated, single, gated, gated, full), (((5, "invert"), (2, None)), gated)]):
        found[f"mixed_{n}"] = list(mixed), 5
    # More than one CARRY4; two sums on a chain of CCU2C, and sums too wide for that.
    for bits, width in ((8, 9), (9, 10), (12, 13)):
        found[f"wide_{width}"] = [((bits, "invert"), (bits, "saturate")), ((bits, None), (bits, "invert"))] * 2, width
    if fabric.operands == 3:
        for a, b, c, width in ((3, 3, 3, 5), (2, 3, 4, 5), (4, 3, 2, 6), (3, 3, 3, 3), (1, 1, 1, 2), (5, 5, 5, 7)):
            found[f"three_{a}_{b}_{c}_{width}"] = [((a, None), (b, None), (c, None))] * 2, width
    return found


#: Fabrics with an `add` of their own; the others have the generic one.
DIFFERENT = ("generic", "ecp5", "gowin", "xilinx")


def test_fabrics_without_cells_of_their_own_add_as_the_generic_one():
    generic = {name for name, fabric in FABRICS.items() if type(fabric).add is Fabric.add}
    assert generic == {"generic", "ice40", "ice40up", "asic"}
    assert set(DIFFERENT) == {"generic", *FABRICS.keys() - generic}


@pytest.mark.parametrize("fabric", DIFFERENT)
def test_sums_are_their_definition_for_all_inputs(fabric):
    parts = {name: Sums(*case, claim=True) for name, case in cases(FABRICS[fabric]).items()}
    verilog = fabric_verilog(SideBySide(parts), "proof", fabric)
    assert verilog.count("assert") == sum(len(part.sums) for part in parts.values())
    folder = prove(verilog, "proof", 0)
    assert (folder / "proof" / "PASS").is_file()


@pytest.mark.parametrize(("fabric", "right", "wrong"), [
    ("ecp5", "INIT0(16'h6996)", "INIT0(16'he996)"),                                 # one bit, where all inputs are 1
    ("gowin", "I3(1'h1)", "I3(1'h0)"),                                              # an addend inverted
    ("xilinx", "INIT(64'h6996699666666666)", "INIT(64'h6996699666666646)"),         # O5: no carry from 1 + 1
    ("xilinx", "INIT(64'h69966996e8e8e8e8)", "INIT(64'h69966996e8e868e8)"),         # O5: no majority of four 1s
])
def test_a_wrong_cell_is_refuted(fabric, right, wrong, tmp_path):
    three = {"xilinx": ((3, None),) * 3}.get(fabric, ((3, "invert"), (3, None)))
    parts = {"gates": Sums(pairs(3, 2), 5, claim=True), "three": Sums([three], 5, claim=True)}
    verilog = fabric_verilog(SideBySide(parts), "proof", fabric)
    assert right in verilog
    with pytest.raises(RefutedError) as refuted:
        prove(verilog.replace(right, wrong), "proof", 0, folder=tmp_path)
    assert set(refuted.value.modules) <= {"proof.gates", "proof.three"}


def number(value, gate, signal, other, top):
    return {None: value, "invert": top - value, "saturate": top, "select": other}[gate] if signal else value


@pytest.mark.parametrize(("bits", "width"), [(1, 2), (8, 9), (8, 8), (5, 3)])
def test_generic_sums_in_simulation(bits, width):
    dut, top, dice = Sums(pairs(bits, bits), width), (1 << bits) - 1, random.Random(width)
    # value, gate, other of the first addend, then of the second
    rows = [(0, 0, 0, 0, 0, 0), (top, 0, 0, top, 0, 0), (1, 0, 0, top, 0, 0), (0, 1, 0, 0, 1, 0),
            (top, 1, 0, top, 1, top)]
    rows += [tuple(dice.randint(0, 1 if n % 3 == 1 else top) for n in range(6)) for _ in range(20)]

    async def bench(ctx):
        for row in rows:
            expected = []
            for i, addends in enumerate(dut.sums):
                for j in range(2):
                    for port, value in zip(dut.inputs(i, j), row[3 * j:3 * j + 3], strict=True):
                        if port is not None:
                            ctx.set(port, value)
                expected.append(sum(number(row[3 * j], gate, *row[3 * j + 1:3 * j + 3], top)
                                    for j, (_, gate) in enumerate(addends)) % (1 << width))
            assert [ctx.get(getattr(dut, f"sum_{i}")) for i in range(len(expected))] == expected
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulate(m, bench)


#: LUTs of two sums of 8 + 8 bits to 9, by the structure of the cells: 9 + 9 slots of 9 CCU2C; 9 ALU each, the last for
#: the carry; 8 LUTs each beside CARRY4, whose last bit has none.
PLAIN = {"ecp5": 18, "gowin": 18, "xilinx": 16}


@pytest.mark.parametrize("fabric", PLAIN)
def test_merged_gates_cost_no_luts(fabric):
    merged = FABRICS[fabric].merged
    forms = [(None, None), *((gate, gate if n == 2 else None) for gate, n in merged.items() if n)]
    # An inverter for the gate of each sum that is gated, where the cell wants its complement.
    inverters = 2 if fabric == "gowin" else 0
    dut = SideBySide({f"form_{n}": Sums([((8, a), (8, b))] * 2, 9) for n, (a, b) in enumerate(forms)})
    result = synthesize(emit_verilog(dut, "cost", FabricPlatform(fabric)), "cost", fabric)
    assert result.resources.luts == PLAIN[fabric] * len(forms) + inverters
    assert result.resources.ffs == result.resources.dsps == 0


def test_no_fabric_multiplies():
    assert multiply_cells(Sums(pairs(4, 4), 5)) == []


@pytest.mark.parametrize(("platform", "name"), [
    (None, "generic"), (object(), "generic"), (ULX3S_85F_Platform(), "ecp5"), (ICEStickPlatform(), "ice40"),
    (TangNano9kPlatform(), "gowin"), (ArtyA7_35Platform(), "xilinx"), (KCU105Platform(), "xilinx"),
    (DE10LitePlatform(), "generic"), *((FabricPlatform(name), name) for name in FABRICS),
])
def test_fabric_of_a_platform(platform, name):
    assert fabric_of(platform).name == name


def test_chips_have_no_registers_between_activation_and_accumulator():
    assert {name for name, fabric in FABRICS.items() if not fabric.leaf_register} == {"asic"}
    assert {name for name, fabric in FABRICS.items() if not fabric.tree_levels_per_register} == {"asic"}


def test_impossible_operands_are_refused():
    value, bit = Const(0, 4), Const(0, 1)
    with pytest.raises(ValueError, match=r"^an operand has at most one gate: invert, saturate or select$"):
        Operand(value, invert=bit, saturate=bit)
    with pytest.raises(ValueError, match=r"^select and other come together$"):
        Operand(value, select=bit)
    with pytest.raises(ValueError, match=r"^select and other come together$"):
        Operand(value, other=value)
    with pytest.raises(ValueError, match=r"^other must be as wide as value \(4 bits\), not 5$"):
        Operand(value, select=bit, other=Const(0, 5))
