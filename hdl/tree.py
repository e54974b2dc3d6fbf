"""A balanced tree of a fabric's adders, exact, with as many registers as the clock asks for."""

from collections.abc import Sequence

from amaranth.hdl import Module, Value

from nomul.gen.spec.latency import tree_latency
from nomul.hdl.constants import held
from nomul.hdl.fabric import Fabric, Operand

__all__ = ["add_tree"]


def add_tree(m: Module, fabric: Fabric, operands: Sequence[Operand], levels_per_register: int,
             enables: Value, *, name: str = "tree") -> Value:
    """Adds an adder tree to `m`: one sum per cycle, `tree_latency` cycles later, no flow control.

    Each sum is as wide as its largest value needs, so that none overflows.

    Parameters
    ----------
    m : Module
        Gets adders and registers.
    fabric : Fabric
        Of the target; how many operands it adds at a time decides the shape of the tree.
    operands : sequence of Operand
        What is added; gates are merged into the first adders where the fabric can.
    levels_per_register : int
        A register follows every so many levels; 0 for none at all.
    enables : Value
        Bit n: the registers n + 1 cycles after the operands load. `tree_latency` bits.
    name : str
        Prefix of the names in `m`.
    """
    registers = tree_latency(len(operands), levels_per_register)
    terms = [(operand, (1 << len(operand)) - 1) for operand in operands]        # each with its largest value
    level = register = 0
    while len(terms) > 1 or register < registers:
        level += 1
        if len(terms) > 1:
            terms = _level(m, fabric, f"{name}_level{level}", terms)
        if registers and level % levels_per_register == 0 and register < registers:
            # Nothing looks at a sum that no valid operand went into.
            terms = [(Operand(held(m, term.resolve(), f"{name}_level{level}_held{n}", enables[register])), largest)
                     for n, (term, largest) in enumerate(terms)]
            register += 1
    return terms[0][0].resolve()


def _level(m: Module, fabric: Fabric, name: str, terms: list[tuple[Operand, int]]) -> list[tuple[Operand, int]]:
    """Groups of terms added; those of one width together, so that they can share carry chains."""
    together = fabric.operands if all(operand.plain for operand, _ in terms) else 2
    groups = [terms[n:n + together] for n in range(0, len(terms), together)]
    largest = [sum(each for _, each in group) for group in groups]
    sums: dict[int, Value] = {}
    for width in sorted({each.bit_length() for each in largest}):
        chosen = [n for n, each in enumerate(largest) if each.bit_length() == width and len(groups[n]) > 1]
        operands = [[operand for operand, _ in groups[n]] for n in chosen]
        sums |= dict(zip(chosen, fabric.add(m, f"{name}_w{width}", operands, width), strict=True))
    return [(Operand(sums[n]) if n in sums else groups[n][0][0], largest[n]) for n in range(len(groups))]
