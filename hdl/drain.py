"""Takes finished blocks out of the accumulators: requantizes, and writes codes to the activation memory or results."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import ADDRESS_BITS, MULTIPLIER_BITS, RESULT_BITS, Destination
from nomul.hdl.blocks import BlockCounter
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.fabric import fabric_of
from nomul.hdl.requantizer import Requantizer
from nomul.hdl.writer import CodeWriter

__all__ = ["Drain"]


class Drain(wiring.Component):
    """Drains blocks in the order in which they were filled, alternating banks, while the array fills the other bank.

    Before each group of output channels it loads the group's biases and multipliers (``columns + 1`` cycles). A pixel
    then takes a row of serial requantizers ``shift + 3`` cycles; `config.requantizers` rows take turns, so that up to a
    pixel a cycle leaves the accumulators.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from the cycle before `start` on, while busy.
    start : In(1), busy : Out(1)
        Strobe; high until the layer's last output has been written.
    filled : In(1)
        Strobe: one more block is complete and visible to a read.
    bank : Out(1), freed : Out(1)
        The bank that is read, or will be next; strobe: the other one has been read.
    accumulator_pixel : Out(range(block_pixels)), accumulators : In(columns × signed(accumulator_bits))
        Block accumulators of `bank`, data one cycle after the address.
    parameter_address : Out, parameter_data : In(parameter_word_bits)
        Parameter memory, data one cycle after the address.
    write_enable : Out(lanes), write_address : Out(20), write_data : Out(lanes × A)
        Activation memory; one enable per lane.
    results : Out(stream of columns × signed(17)), results_group : Out(10)
        To `ResultCollector`.
    """

    def __init__(self, config: Config):
        self._config = config
        values = data.ArrayLayout(signed(config.accumulator_bits), config.columns)
        super().__init__({
            "descriptor": In(DESCRIPTOR), "start": In(1), "busy": Out(1),
            "filled": In(1), "bank": Out(1), "freed": Out(1),
            "accumulator_pixel": Out(range(config.block_pixels)), "accumulators": In(values),
            "parameter_address": Out(range(config.parameter_words)), "parameter_data": In(config.parameter_word_bits),
            "write_enable": Out(config.lanes), "write_address": Out(ADDRESS_BITS),
            "write_data": Out(data.ArrayLayout(config.activation_bits, config.lanes)),
            "results": Out(stream.Signature(data.ArrayLayout(signed(RESULT_BITS + 1), config.columns))),
            "results_group": Out(10),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, Layer(self.descriptor, self._config)
        m.submodules.blocks = blocks = BlockCounter(config)
        m.submodules.writer = writer = CodeWriter(config)
        rows = [Requantizer(config) for _ in range(config.requantizers)]
        for n, row in enumerate(rows):
            m.submodules[f"row{n}"] = row

        waiting, begin = Signal(range(3)), Signal()     # filled blocks whose reading has not begun; it begins
        # What is read if nothing is sent, and what follows it: the pixel to send, or with a register behind the memory
        # the one after it.
        late = fabric_of(platform).late_memories
        asked = Signal(range(config.block_pixels))
        following = Signal(range(max(2, config.block_pixels)), init=1)
        values, reading = Signal.like(self.accumulators), Signal()
        first_pixel, pixel_end = Signal(init=1), Signal()       # pixel_end: for all pixels but a block's first
        last_pixel = Mux(first_pixel, blocks.only_pixel, pixel_end)
        under_way = Signal(range(2 * config.requantizers + 1))
        send, sent, written = Signal(), Signal(), Signal()
        advance = sent | reading if late else sent
        m.d.comb += [
            blocks.descriptor.eq(self.descriptor), writer.descriptor.eq(self.descriptor),
            self.accumulator_pixel.eq(Mux(advance, following, asked)), self.results_group.eq(blocks.group),
            self.busy.eq(1),
        ]
        m.d.sync += [
            waiting.eq(waiting + self.filled - begin), self.freed.eq(0),
            under_way.eq(under_way + sent - written),
        ]

        # Biases and multipliers of the current group shift in, one column a cycle.
        bias = Signal(data.ArrayLayout(signed(config.accumulator_bits), config.columns))
        magnitude = Signal(data.ArrayLayout(MULTIPLIER_BITS, config.columns))
        negative = Signal(config.columns)
        parameter = data.View(data.StructLayout({
            "bias": signed(config.accumulator_bits), "magnitude": MULTIPLIER_BITS, "negative": 1,
        }), self.parameter_data)
        columns_left = Signal(range(config.columns + 1))
        arriving = Signal()
        m.d.sync += arriving.eq(0)
        with m.If(arriving):
            m.d.sync += [
                bias.as_value().eq(Cat(bias.as_value()[config.accumulator_bits:], parameter.bias)),
                magnitude.as_value().eq(Cat(magnitude.as_value()[MULTIPLIER_BITS:], parameter.magnitude)),
                negative.eq(Cat(negative[1:], parameter.negative)),
            ]

        if late:
            with m.If(advance):
                m.d.sync += values.eq(self.accumulators)
        else:
            m.d.comb += values.eq(self.accumulators)
        with m.If(advance):
            m.d.sync += [asked.eq(following), following.eq(following + 1)]
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.busy.eq(0)
                with m.If(self.start):
                    m.d.comb += [blocks.first.eq(1), writer.first.eq(1)]
                    m.d.sync += [
                        self.parameter_address.eq(layer.parameter_base), columns_left.eq(config.columns),
                    ]
                    m.next = "Parameters"
            with m.State("Parameters"):
                with m.If(columns_left != 0):
                    m.d.sync += [
                        self.parameter_address.eq(self.parameter_address + 1), columns_left.eq(columns_left - 1),
                        arriving.eq(1),
                    ]
                with m.Elif(~arriving):
                    m.next = "Wait"
            with m.State("Wait"):
                with m.If(waiting != 0):
                    m.d.comb += begin.eq(1)
                    m.next = "Read"
            with m.State("Read"):
                m.d.comb += reading.eq(1)
                m.next = "Send"
            with m.State("Send"):
                m.d.comb += send.eq(1)
                with m.If(sent):
                    m.d.sync += [
                        first_pixel.eq(last_pixel), pixel_end.eq((asked if late else following) == blocks.last_pixel),
                    ]
                    with m.If(last_pixel):
                        m.d.sync += [
                            asked.eq(0), following.eq(1), self.bank.eq(~self.bank), self.freed.eq(1),
                        ]
                        with m.If(blocks.group_end):
                            m.next = "Flush"
                        with m.Else():
                            m.d.comb += blocks.advance.eq(1)
                            m.next = "Wait"
            with m.State("Flush"):
                with m.If(under_way == 0):
                    m.d.comb += [blocks.advance.eq(1), writer.next_group.eq(1)]
                    m.d.sync += columns_left.eq(config.columns)
                    m.next = "Parameters"
                    with m.If(blocks.last):
                        m.next = "Idle"

        # Rows take turns, at both ends: a bit for each row, as little time is left to find out whose turn it is.
        to, out_of = Signal(len(rows), init=1), Signal(len(rows), init=1)
        number = Signal(range(len(rows)))       # of the row in `out_of`
        with m.If(sent):
            m.d.sync += to.eq(to.rotate_left(1))
        with m.If(written):
            m.d.sync += [out_of.eq(out_of.rotate_left(1)), number.eq(Mux(number == len(rows) - 1, 0, number + 1))]
        output_valid, output_ready = Signal(), Signal()
        output = Signal.like(rows[0].o.payload)
        m.d.comb += [
            written.eq(output_valid & output_ready), output.eq(Array(row.o.payload for row in rows)[number]),
            output_valid.eq(Cat(row.o.valid & turn for row, turn in zip(rows, out_of, strict=True)).any()),
            sent.eq(send & Cat(row.i.ready & turn for row, turn in zip(rows, to, strict=True)).any()),
        ]
        for row, to_row, out_of_row in zip(rows, to, out_of, strict=True):
            m.d.comb += [
                row.i.payload.eq(values), row.i.valid.eq(send & to_row),
                row.bias.eq(bias), row.magnitude.eq(magnitude), row.negative.eq(negative),
                row.shift.eq(layer.shift), row.zero_point.eq(layer.zero_point),
                row.lower.eq(layer.lower), row.upper.eq(layer.upper), row.o.ready.eq(output_ready & out_of_row),
            ]

        m.d.comb += [
            writer.i.payload.eq(output), self.results.payload.eq(output),
            self.write_enable.eq(writer.write_enable), self.write_address.eq(writer.write_address),
            self.write_data.eq(writer.write_data),
        ]
        with m.If(layer.destination == Destination.RESULTS):
            m.d.comb += [self.results.valid.eq(output_valid), output_ready.eq(self.results.ready)]
        with m.Else():
            m.d.comb += [writer.i.valid.eq(output_valid), output_ready.eq(writer.i.ready)]
        return m
