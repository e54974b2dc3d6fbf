"""Places the codes of one group of output channels into the words of the activation memory."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import ADDRESS_BITS, RESULT_BITS
from nomul.hdl.constants import held
from nomul.hdl.descriptor import DESCRIPTOR, Layer

__all__ = ["CodeWriter"]


class CodeWriter(wiring.Component):
    """Writes `columns` codes a pixel: to a part of a word if there are fewer columns than lanes, else to several words.

    The parts of a word that follow get the layer's zero point, until the next groups write theirs: so lanes without a
    channel hold it. Words beyond the pixel's last are not written. Throughput: one pixel in ``max(1, columns / lanes)``
    cycles.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable while writing.
    first, next_group : In(1)
        Strobes, only while no pixel is offered: go to the first pixel of the layer, of the next group.
    i : In(stream of columns × signed(17))
        Codes of the pixels in order, in 0 .. 2^A - 1.
    write_enable : Out(lanes), write_address : Out(20), write_data : Out(lanes × A)
        Activation memory; one enable per lane. With any lane the last one is written.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "descriptor": In(DESCRIPTOR), "first": In(1), "next_group": In(1),
            "i": In(stream.Signature(data.ArrayLayout(signed(RESULT_BITS + 1), config.columns))),
            "write_enable": Out(config.lanes), "write_address": Out(ADDRESS_BITS),
            "write_data": Out(data.ArrayLayout(config.activation_bits, config.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, columns = self._config.lanes, self._config.columns
        parts = max(1, lanes // columns)        # groups that share a word
        words = max(1, columns // lanes)        # words that a group fills
        layer = Layer(self.descriptor, self._config)
        part, word = Signal(range(parts)), Signal(range(words))
        pixel_words = layer.output_pixel_step
        group_word = Signal(max(len(pixel_words), words.bit_length()) + 1)  # first word of the group within a pixel
        pixel_address = Signal(layer.address_bits)                          # first word of the pixel

        with m.If(self.first):
            m.d.sync += [part.eq(0), group_word.eq(0), pixel_address.eq(layer.output_base)]
        with m.Elif(self.next_group):
            m.d.sync += [part.eq(part + 1), pixel_address.eq(layer.output_base)]
            with m.If(part == parts - 1):
                m.d.sync += [part.eq(0), group_word.eq(group_word + words)]
        with m.If(self.i.valid):
            m.d.sync += word.eq(word + 1)
            with m.If(word == words - 1):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [word.eq(0), pixel_address.eq(pixel_address + pixel_words)]

        inside = (group_word + word) < pixel_words
        if words == 1:      # then a group's pixels are all alike, and it is known long before the first
            inside = held(m, inside, "inside")
        m.d.comb += self.write_address.eq((pixel_address + group_word + word)[:layer.address_bits])
        for lane in range(lanes):
            m.d.comb += self.write_enable[lane].eq(self.i.valid & inside & (part <= lane // columns))
            with m.If(part == lane // columns):
                with m.Switch(word):
                    for n in range(words):
                        with m.Case(n):
                            m.d.comb += self.write_data[lane].eq(self.i.payload[(n * lanes + lane) % columns])
            with m.Else():
                m.d.comb += self.write_data[lane].eq(layer.zero_point)
        return m
