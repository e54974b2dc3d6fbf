# amaranth: UnusedElaboratable=no
import random
import re

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nomul.gen.verilog import emit_verilog, module_name, with_initial_values, without_initial_values

TABLE = random.Random(7).sample(range(256), 16)


class Everything(wiring.Component):
    """A register, a memory, and a table."""

    address: In(4)
    data: In(8)
    total: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=4, init=[1, 2, 3, 4])
        write, read = memory.write_port(), memory.read_port()
        held = Signal(8, init=0x5A)
        m.d.comb += [write.addr.eq(self.address), write.en.eq(1), write.data.eq(self.data), read.addr.eq(self.address)]
        m.d.sync += held.eq(held + 1)
        m.submodules.table = table = Memory(shape=8, depth=16, init=TABLE)
        given = table.read_port(domain="comb")
        m.d.comb += [given.addr.eq(self.address), self.total.eq(held + read.data + given.data)]
        return m


@pytest.fixture(scope="module")
def verilog():
    return emit_verilog(Everything(), "everything")


def table_of(verilog):
    return [int(value, 16) for value in re.findall(r"table *\[\d+\] = 8'h(\w+);", verilog)]


def test_registers_and_memories_lose_their_values_and_tables_keep_them(verilog):
    assert "= 8'h5a;" in verilog
    bare = without_initial_values(verilog)
    assert re.search(r"reg \[7:0\] held;", bare)
    assert bare.count("initial") == verilog.count("initial") - 1 == 1
    assert table_of(bare) == TABLE
    assert not re.search(r"memory\[\d+\] = ", bare)


def test_registers_and_memories_get_other_values_and_tables_keep_theirs(verilog):
    changed = with_initial_values(verilog, random.Random(3).getrandbits)
    dice = random.Random(3)
    register, *words = (dice.getrandbits(8) for _ in range(5))
    assert {f"{register:x}", *(f"{word:x}" for word in words)} <= set(re.findall(r"= 8'h(\w+);", changed))
    assert table_of(changed) == TABLE
    assert with_initial_values(verilog, lambda bits: 0) == with_initial_values(changed, lambda bits: 0)


@pytest.mark.parametrize(("name", "expected"), [("a b", "a_b"), ("8x8", "_8x8"), ("", "_"), ("grün", "gr_n")])
def test_names_become_identifiers(name, expected):
    assert module_name(name) == expected
