"""Targets whose tools make as good adders of ``+`` as can be: only where they want registers differs."""

from nomul.hdl.fabric.base import Fabric

__all__ = ["Asic", "Ice40"]


class Ice40(Fabric):
    """Lattice iCE40: a logic cell is a LUT4 whose inputs I1 and I2 are also those of its carry (FPGA-TN-02029).

    The carry sees its inputs as they are, so no gate fits between register and adder; as the synchronous set or reset
    of the leaf register it takes no table either.
    """

    name = "ice40"


class Asic(Fabric):
    """Standard cells: flip-flops cost as much area as the adders, so there are none between activation and accumulator.

    The carries of a tree of ripple adders come lowest bit first, level by level, so that the tree is hardly slower
    than one adder.
    """

    name = "asic"
    leaf_register = False
    tree_levels_per_register = 0
