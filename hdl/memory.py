"""Memories of which no word is read in the cycle that writes it, or the value read then does not matter."""

from amaranth.hdl import Module, Value
from amaranth.lib.memory import Memory

__all__ = ["add_memory", "plain_memory"]


def plain_memory(shape, depth: int) -> Memory:
    """A memory of zeros whose read ports may give anything in the cycle after their word was written.

    Simulators give the old value, of which block RAMs promise nothing: for each port they would get registers and
    multiplexers as wide as a word.

    Parameters
    ----------
    shape : ShapeLike
        Of a word.
    depth : int
        Words.
    """
    return Memory(shape=shape, depth=depth, init=[], attrs={"no_rw_check": 1})


def add_memory(m: Module, name: str, depth: int, write_address: Value, write_data: Value, write_enable: Value,
               read_address: Value) -> Value:
    """Adds a `plain_memory` with both its ports to `m`; gives the word that is read, one cycle after its address."""
    memory = m.submodules[name] = plain_memory(len(write_data), depth)
    write, read = memory.write_port(), memory.read_port()
    m.d.comb += [write.addr.eq(write_address), write.data.eq(write_data), write.en.eq(write_enable),
                 read.addr.eq(read_address)]
    return read.data
