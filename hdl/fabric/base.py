"""The generic fabric: what any target can do, and what each target's own file overrides."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from nomul.gen.spec.latency import LATE
from nomul.hdl.constants import held
from nomul.hdl.fabric.operand import Operand
from nomul.hdl.memory import add_memory, plain_memory

__all__ = ["Fabric"]


class Fabric:
    """How a target adds and keeps much data, and where it wants registers. This one leaves everything to the tool.

    Attributes
    ----------
    name : str
        Name of the target.
    operands : int
        Most addends that `add` takes for one sum, if none has a gate; 2 with gates.
    merged : mapping of str to int
        Of how many of two addends a gate ("invert", "saturate" or "select" of `Operand`) costs nothing. Such a gate of
        a leaf goes behind the leaf register and into the first adder; others come before the register, or are its
        synchronous set.
    set_starts_set : bool
        Whether a flip-flop with a synchronous set starts as 1; otherwise as 0. One that starts the other way round
        takes a table in front of it and one behind.
    late_memories : bool
        Whether a memory gives its data late in the cycle, so that a register of its own behind it pays; large ones have
        one in front too.
    close_columns, close_lanes : int
        Columns of the array, and lanes of the vector engine, that can share control registers (`copies`); more would
        lie too far apart.
    leaf_register : bool
        Whether a register after the processing element pays; default of a configuration for this target.
    l1_minimum : bool
        Whether L1 by comparison (`nomul.hdl.pe.Minimum`) is the smaller; default of a configuration for this target.
    tree_levels_per_register : int
        Adder tree levels between registers that pay; default of a configuration for this target.
    """

    name = "generic"
    operands = 2
    late_memories = False
    close_columns = close_lanes = 1 << 16
    merged: Mapping[str, int] = MappingProxyType({"invert": 0, "saturate": 0, "select": 0})
    set_starts_set = True
    leaf_register = True
    l1_minimum = False
    tree_levels_per_register = 1

    def add(self, m: Module, name: str, sums: Sequence[Sequence[Operand]], width: int) -> list[Value]:
        """Adds adders to `m`; combinational.

        Parameters
        ----------
        m : Module
            Gets the logic, and the fabric's cells as submodules.
        name : str
            Prefix of their names, unique in `m`.
        sums : sequence of sequences of Operand
            The addends of each sum: one, two, or up to `operands` plain ones. Given together, so that sums can share a
            carry chain.
        width : int
            Bits of each sum.

        Returns
        -------
        list of Value
            Each sum modulo ``2^width``.
        """
        results = []
        for n, (first, *others) in enumerate(sums):
            total = Signal(width, name=f"{name}_{n}")
            value = first.resolve()
            for other in others:
                value = value + other.resolve()
            m.d.comb += total.eq(value)
            results.append(total)
        return results

    def close_groups(self, count: int, together: int) -> list[range]:
        """So many columns or lanes, in groups of up to `together`."""
        return [range(first, min(first + together, count)) for first in range(0, count, together)]

    def copies(self, m: Module, name: str, value: Value, count: int, *, enable: Value | None = None) -> list[Value]:
        """Adds registers of a value that is needed in many places, so that each can be close to its own.

        Parameters
        ----------
        m : Module
            Gets the registers.
        name : str
            Their name, unique in `m`.
        value : Value
            What they hold in the next cycle.
        count : int
            How many. Where ways are short, all are one.
        enable : Value, optional
            Whether they load.

        Returns
        -------
        list of Value
            The registers, which have no reset.
        """
        return [held(m, value, name, enable)] * count

    def constants(self, m: Module, name: str, value: Value, count: int = 1) -> list[Value]:
        """As `copies`, of what depends on a layer's descriptor alone; no registers where ways are short."""
        return [value] * count

    def large_memory(self, m: Module, name: str, depth: int, write_address: Value, write_data: Value,
                     write_enable: Value, read_address: Value) -> Value:
        """Adds a `two_port_memory` that nobody reads in a cycle in which it is written, or in the one after.

        So a single port suffices.

        Parameters
        ----------
        m : Module
            Gets the memory.
        name : str
            Its name, unique in `m`.
        depth : int
            Words, each as wide as `write_data`.
        write_address, write_data, write_enable : Value
            Writes a word.
        read_address : Value
            Of a word that is wanted.

        Returns
        -------
        Value
            The word, one cycle after its address, or with `late_memories` `LATE` more; instead of one whose address
            came with `write_enable`, or in the cycle after it, anything.
        """
        return self.two_port_memory(m, name, depth, write_address, write_data, write_enable, read_address)

    def two_port_memory(self, m: Module, name: str, depth: int, write_address: Value, write_data: Value,
                        write_enable: Value, read_address: Value) -> Value:
        """Adds a memory as `large_memory` does, of which a word may be read while another one is written."""
        given = [write_address, write_data, write_enable, read_address]
        if self.late_memories:      # all of them, so that a word may be written in the cycle after it is asked for
            given = [held(m, value, f"{name}_port{n}") for n, value in enumerate(given)]
        word = add_memory(m, name, depth, *given)
        return self._arrive(m, name, word) if self.late_memories else word

    def lane_memory(self, m: Module, name: str, lanes: int, depth: int, write_address: Value, write_data: Value,
                    write_enable: Value, read_address: Value) -> Value:
        """Adds a memory whose lanes are written each by itself, one cycle after they are given.

        Parameters
        ----------
        m, name, depth
            As of `large_memory`.
        lanes : int
            Equal parts of a word.
        write_address, write_data, write_enable : Value
            Writes the lanes that are enabled.
        read_address : Value
            Of a word that is wanted, and not written in the same cycle or the one before.

        Returns
        -------
        Value
            The word, as many cycles after its address as of `large_memory`.
        """
        to, word, enable = (held(m, value, f"{name}_{what}") for value, what in (
            (write_address, "to"), (write_data, "word"), (write_enable, "enable")))
        late = self.late_memories
        asked = held(m, read_address, f"{name}_asked") if late else read_address
        found = self._lanes(m, name, lanes, depth, to, word, enable, asked)
        return self._arrive(m, name, found) if late else found

    @staticmethod
    def _arrive(m: Module, name: str, word: Value, registers: int = LATE - 1) -> Value:
        """A word behind some registers, by which it comes from a memory that is far away."""
        for n in range(registers):
            word = held(m, word, f"{name}_late{n}")
        return word

    @staticmethod
    def _lanes(m: Module, name: str, lanes: int, depth: int, to: Value, word: Value, enable: Value,
               asked: Value) -> Value:
        memory = m.submodules[name] = plain_memory(data.ArrayLayout(len(word) // lanes, lanes), depth)
        write, read = memory.write_port(granularity=1), memory.read_port()
        m.d.comb += [write.addr.eq(to), write.data.eq(word), write.en.eq(enable), read.addr.eq(asked)]
        return read.data.as_value()
