"""Coded weights from the host to the weight memory: the decoder's place in the memory map."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.hdl.huffman import HuffmanDecoder

__all__ = ["WeightDecoder"]


class WeightDecoder(wiring.Component):
    """Takes the bytes of `nomul.gen.spec.registers.Region.CODED_WEIGHTS`, and writes what they decode to.

    Byte 0 begins a stream at any time; other bytes come in order, and one whose address is not the next is taken and
    ignored. Throughput: about a bit a cycle (`HuffmanDecoder`).

    Parameters
    ----------
    config : Config
        Gives lanes, and width of a weight and depth of the weight memory.

    Members
    -------
    byte_valid : In(1), byte_address : In(24), byte : In(8), byte_ready : Out(1)
        A byte of the stream, which stays until it is taken.
    write_enable : Out(1), write_address : Out(range(weight_words)), write_data : Out(weight_word_bits)
        Weight memory.
    busy : Out(1)
        Not everything that came is written.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "byte_valid": In(1), "byte_address": In(24), "byte": In(8), "byte_ready": Out(1),
            "write_enable": Out(1), "write_address": Out(range(config.weight_words)),
            "write_data": Out(config.weight_word_bits), "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = HuffmanDecoder(self._config.lanes, self._config.weight_bits)
        following = Signal.like(self.byte_address)
        restarted = Signal()        # in the cycle before, for byte 0
        first, expected = self.byte_address == 0, self.byte_address == following
        m.d.comb += [
            decoder.restart.eq(self.byte_valid & first & ~restarted),
            decoder.i.payload.eq(self.byte),
            decoder.i.valid.eq(self.byte_valid & ((first & restarted) | (expected & ~first))),
            self.byte_ready.eq(~decoder.restart & (decoder.i.ready | ~decoder.i.valid)),
            decoder.o.ready.eq(1), self.write_enable.eq(decoder.o.valid), self.write_data.eq(decoder.o.payload),
            self.busy.eq(~decoder.i.ready | decoder.o.valid),
        ]
        m.d.sync += restarted.eq(decoder.restart)
        with m.If(decoder.i.valid & decoder.i.ready):
            m.d.sync += following.eq(self.byte_address + 1)
        with m.If(decoder.o.valid):
            m.d.sync += self.write_address.eq(self.write_address + 1)
        with m.If(decoder.restart):
            m.d.sync += self.write_address.eq(0)
        return m
