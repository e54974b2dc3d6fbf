import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.boards.base import UartTop
from nomul.gen.guard import multiply_cells
from nomul.gen.presets import load_config, preset_names
from nomul.hdl.accelerator import Accelerator


class Inner(wiring.Component):
    a: In(4)
    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(self.a * 5)
        return m


class Outer(wiring.Component):
    a: In(4)
    o: Out(8)
    remainder: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = Inner()
        m.d.comb += [inner.a.eq(self.a), self.o.eq(inner.o), self.remainder.eq((self.a + 1) % 3)]
        return m


class Indexed(wiring.Component):
    a: In(data.ArrayLayout(unsigned(3), 4))
    n: In(2)
    o: Out(3)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(self.a[self.n])
        return m


class Harmless(wiring.Component):
    a: In(4)
    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq((self.a << 2) + self.a - 1)
        return m


def test_products_and_remainders_are_found_in_every_module():
    assert sorted(multiply_cells(Outer())) == ["$modfloor in top", "$mul in top.inner"]


def test_a_hidden_multiplication_of_an_index_is_found():
    assert multiply_cells(Indexed()) == ["$mul in top"]


def test_shifts_and_sums_are_allowed():
    assert multiply_cells(Harmless()) == []


@pytest.mark.parametrize("preset", preset_names())
def test_no_preset_has_a_multiplier(preset):
    assert multiply_cells(Accelerator(load_config(preset))) == []


def test_board_top_has_no_multiplier():
    assert multiply_cells(UartTop(load_config("tiny"), 25)) == []
