"""Targets whose tools make as good adders of ``+`` as can be: only where they want registers differs."""

from nomul.hdl.fabric.base import Fabric

__all__ = ["Asic", "Ice40"]


class Ice40(Fabric):
    """Lattice iCE40: a logic cell is a LUT4, ``O = F(I0, I1, I2, CI)``, with a carry ``CO = majority(I1, I2, CI)``.

    (Family data sheet FPGA-DS-02029, "PLB Blocks"; behaviour as in yosys's ``ice40/cells_sim.v``.) The carry sees its
    inputs as they are, so no gate fits between register and adder; as the synchronous set or reset of the leaf register
    it takes no table either.
    """

    name = "ice40"
    set_starts_set = False      # all its flip-flops start as 0


class Asic(Fabric):
    """Standard cells: flip-flops cost as much area as the adders, so there are none between activation and accumulator.

    The carries of a tree of ripple adders come lowest bit first, level by level, so that the tree is hardly slower
    than one adder.
    """

    name = "asic"
    leaf_register = False
    l1_minimum = True           # an adder's sums are cells of their own, and a comparator has none
    tree_levels_per_register = 0
