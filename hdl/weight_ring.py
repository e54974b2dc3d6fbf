"""Weights that the host sends while the program runs: a ring in the weight memory, behind the weights that stay."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import RUN_BIT

__all__ = ["RingReader", "WeightRing"]


class RingReader(wiring.Signature):
    """What the tile loader needs to know of the ring; the ring is the initiator.

    Members
    -------
    base : Out(range(weight_words))
        Address of the ring's first word; its last is the memory's last.
    oldest : Out(range(weight_words))
        Address of the oldest word that is kept.
    kept : Out(range(weight_words + 1))
        How many are, from `oldest` on; those asked of the memory from now on are there.
    aborted : Out(1)
        No network is loaded: what comes out does not matter, so do not wait.
    free : In(1)
        Strobe: the oldest word is read in this cycle for the last time.
    waiting : In(1)
        The loader needs a word that is not there.
    """

    def __init__(self, config: Config):
        address = range(config.weight_words)
        super().__init__({
            "base": Out(address), "oldest": Out(address), "kept": Out(range(config.weight_words + 1)),
            "aborted": Out(1), "free": In(1), "waiting": In(1),
        })


class WeightRing(wiring.Component):
    """Takes the words of `nomul.gen.spec.registers.Region.WEIGHT_STREAM` in order, as long as there is room.

    A word whose address is not the next one is ignored, so the link may send words twice. So is one for which there is
    no room and never will be: when no run is at work, or when the loader itself waits for a word.

    Parameters
    ----------
    config : Config
        Gives the depth of the weight memory.

    Members
    -------
    base : In(range(weight_words))
        Register STREAM_BASE; stable while `loaded`.
    loaded, running : In(1)
        A network is loaded; a run is pending or at work.
    begin : In(1)
        Strobe: the next word is the first of a run.
    word_valid : In(1), word_address : In(20), word_ready : Out(1)
        A word on the host bus, which stays until it is taken.
    write_enable : Out(1), write_address : Out(range(weight_words))
        It goes to the weight memory.
    reader : Out(RingReader(config))
        To the loader.
    """

    def __init__(self, config: Config):
        self._config = config
        address = range(config.weight_words)
        super().__init__({
            "base": In(address), "loaded": In(1), "running": In(1), "begin": In(1),
            "word_valid": In(1), "word_address": In(RUN_BIT), "word_ready": Out(1),
            "write_enable": Out(1), "write_address": Out(address), "reader": Out(RingReader(config)),
        })

    def elaborate(self, platform):
        m = Module()
        reader, newest = self.reader, self.write_address
        following = Signal.like(self.word_address)
        full = (reader.oldest == newest) & (reader.kept != 0)
        m.d.comb += [
            reader.base.eq(self.base), reader.aborted.eq(~self.loaded),
            self.word_ready.eq(~full | ~self.running | reader.waiting),
            self.write_enable.eq(self.word_valid & (self.word_address == following) & ~full & self.running),
        ]

        def after(address):
            return Mux(address == self._config.weight_words - 1, self.base, address + 1)

        m.d.sync += reader.kept.eq(reader.kept + self.write_enable - reader.free)
        with m.If(self.write_enable):
            m.d.sync += [newest.eq(after(newest)), following.eq(following + 1)]
        with m.If(reader.free):
            m.d.sync += reader.oldest.eq(after(reader.oldest))
        with m.If(self.begin):
            m.d.sync += following.eq(0)
        with m.If(~self.loaded):
            m.d.sync += [reader.kept.eq(0), newest.eq(self.base), reader.oldest.eq(self.base)]
        return m
