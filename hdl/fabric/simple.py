"""Targets whose tools make as good adders of ``+`` as can be: only where they want registers, and memories, differ."""

from amaranth.hdl import Array, Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value

from nomul.hdl.fabric.base import Fabric

__all__ = ["Asic", "Ice40", "Ice40UltraPlus"]


class Ice40(Fabric):
    """Lattice iCE40: a logic cell is a LUT4, ``O = F(I0, I1, I2, CI)``, with a carry ``CO = majority(I1, I2, CI)``.

    (Family data sheet FPGA-DS-02029, "PLB Blocks"; behaviour as in yosys's ``ice40/cells_sim.v``.) The carry sees its
    inputs as they are, so no gate fits between register and adder; as the synchronous set or reset of the leaf register
    it takes no table either.
    """

    name = "ice40"
    set_starts_set = False      # all its flip-flops start as 0


class Ice40UltraPlus(Ice40):
    """iCE40 UltraPlus, which has RAMs of 16 bits × 16,384 with a single port besides the block RAMs.

    (SB_SPRAM256KA, Lattice FPGA-TN-02022; behaviour as in yosys's ``ice40/cells_sim.v``.) They cannot start with a
    content, and what a write leaves at the output is not defined.
    """

    name = "ice40up"
    _WIDTH, _DEPTH = 16, 16384

    def large_memory(self, m: Module, name: str, depth: int, write_address: Value, write_data: Value,
                     write_enable: Value, read_address: Value) -> Value:
        """See `Fabric.large_memory`."""
        address = Signal(range(depth), name=f"{name}_address")
        m.d.comb += address.eq(Mux(write_enable, write_address, read_address))
        row_bits = (self._DEPTH - 1).bit_length()
        bank, wide = Signal(max(0, len(address) - row_bits), name=f"{name}_bank"), len(write_data)
        m.d.sync += bank.eq(address[row_bits:])
        banks = []
        for n in range(-(-depth // self._DEPTH)):
            words = []
            for low in range(0, wide, self._WIDTH):
                word = Signal(self._WIDTH, name=f"{name}_bank{n}_bits{low}")
                m.submodules[f"{name}_{n}_{low}"] = Instance(
                    "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_ADDRESS=Cat(address, Const(0, row_bits))[:row_bits],
                    i_DATAIN=Cat(write_data[low:low + self._WIDTH], Const(0, self._WIDTH))[:self._WIDTH],
                    i_WREN=write_enable & (address[row_bits:] == n), i_MASKWREN=Const(-1, 4), i_CHIPSELECT=Const(1),
                    i_STANDBY=Const(0), i_SLEEP=Const(0), i_POWEROFF=Const(1), o_DATAOUT=word)
                words.append(word)
            banks.append(Cat(words)[:wide])
        return Array(banks)[bank] if len(banks) > 1 else banks[0]


class Asic(Fabric):
    """Standard cells: flip-flops cost as much area as the adders, so there are none between activation and accumulator.

    The carries of a tree of ripple adders come lowest bit first, level by level, so that the tree is hardly slower
    than one adder.
    """

    name = "asic"
    leaf_register = False
    l1_minimum = True           # an adder's sums are cells of their own, and a comparator has none
    tree_levels_per_register = 0
