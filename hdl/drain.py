"""Takes finished blocks out of the accumulators: requantizes, and writes codes to the activation memory or results."""

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import ADDRESS_BITS, MULTIPLIER_BITS, RESULT_BITS, Destination
from nomul.hdl.block_reader import BlockReader
from nomul.hdl.blocks import BlockCounter
from nomul.hdl.constants import held
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.fabric import Fabric, fabric_of
from nomul.hdl.requantizer import Requantizer
from nomul.hdl.writer import CodeWriter

__all__ = ["Drain"]

#: What requantizers are told of a layer.
_CONSTANTS = ("shift", "zero_point", "lower", "upper")


class _Parameters(NamedTuple):
    """Of the group of output channels at hand: what each column's requantizer adds and multiplies by."""

    bias: data.View
    magnitude: data.View
    negative: Signal


class Drain(wiring.Component):
    """Drains blocks in the order in which they were filled, alternating banks, while the array fills the other bank.

    Before each group of output channels it loads the group's biases and multipliers (``columns + 1`` cycles). A pixel
    then occupies one of the rows of the `Requantizer` for ``shift + 2`` cycles; with enough of them, up to a pixel a
    cycle leaves the accumulators.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from the cycle before `start` on, while busy.
    start : In(1), busy : Out(1)
        Strobe; high until the layer's last output has been written.
    filled : In(1)
        Strobe: one more block is complete and visible to a read.
    bank : Out(1), freed : Out(1)
        The bank that is read, or will be next; strobe: it has been read, and the other one is next.
    accumulator_read : Out(columns), accumulator_pixel : Out(columns × range(block_pixels))
        Strobe, for every column the same: read this pixel's accumulators of `bank`.
    accumulators : In(columns × signed(accumulator_bits))
        What was read last.
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
            "accumulator_read": Out(config.columns),
            "accumulator_pixel": Out(data.ArrayLayout(range(config.block_pixels), config.columns)),
            "accumulators": In(values),
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
        fabric = fabric_of(platform)
        groups = fabric.close_groups(config.columns, fabric.close_columns)

        # All groups of columns do the same at the same time, each by registers of its own; the first speaks for them.
        readers = [BlockReader(config) for _ in groups]
        speaker = readers[0]
        waiting, begin = Signal(range(3)), Signal()     # filled blocks whose reading has not begun; it does, soon
        reading = Signal()          # one is being read, or its last pixel was in the cycle before
        under_way = Signal(range(config.requantizers + 3))      # pixels in the requantizer
        following, none = Signal.like(under_way), Signal(init=1)    # none are, in the cycle before
        written = Signal()
        m.d.comb += [
            blocks.descriptor.eq(self.descriptor), writer.descriptor.eq(self.descriptor),
            following.eq(under_way + speaker.sent - written), self.results_group.eq(blocks.group), self.busy.eq(1),
        ]
        m.d.sync += [
            waiting.eq(waiting + self.filled - begin), self.freed.eq(speaker.sent & speaker.end),
            under_way.eq(following), none.eq(following == 0),
        ]
        # At least a cycle passes before the next block is read.
        with m.If(self.freed):
            m.d.comb += blocks.advance.eq(~blocks.group_end)
            m.d.sync += [reading.eq(0), self.bank.eq(~self.bank)]

        columns_left = Signal(range(config.columns + 1))
        arrives = Signal()
        parameters, arriving = self._parameters(m, fabric, groups, arrives)

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
                    m.d.comb += arrives.eq(1)
                    m.d.sync += [
                        self.parameter_address.eq(self.parameter_address + 1), columns_left.eq(columns_left - 1),
                    ]
                with m.Elif(~arriving):
                    m.next = "Blocks"
            with m.State("Blocks"):
                with m.If(self.freed & blocks.group_end):
                    m.next = "Flush"
                with m.Elif((waiting != 0) & (self.freed | ~reading)):
                    m.d.comb += begin.eq(1)
                    m.d.sync += reading.eq(1)
            with m.State("Flush"):
                with m.If(none):
                    m.d.comb += [blocks.advance.eq(1), writer.next_group.eq(1)]
                    m.d.sync += columns_left.eq(config.columns)
                    m.next = "Parameters"
                    with m.If(blocks.last):
                        m.next = "Idle"

        # From the accumulators through the requantizers.
        output = stream.Signature(self.results.payload.shape()).create()
        parts = [Requantizer(config, len(group)) for group in groups]
        constants = Signal(data.StructLayout({name: getattr(parts[0], name).shape() for name in _CONSTANTS}))
        m.d.comb += [constants[name].eq(getattr(layer, name)) for name in _CONSTANTS]
        constants_of = fabric.constants(m, "constants", constants.as_value(), len(groups))
        # Codes are always taken, by a writer that takes a pixel a cycle. Results are when the collector is ready, of
        # which all groups learn in the next cycle.
        to_results, collected = held(m, layer.destination == Destination.RESULTS, "to_results"), Signal()
        takes = ~to_results | (output.valid & self.results.ready & ~collected)
        m.d.sync += collected.eq(to_results & takes)
        taken_by = fabric.copies(m, "takes", takes, len(groups))
        if config.columns > config.lanes:
            taken_by = [Mux(to_results, take, writer.i.ready) for take in taken_by]
        begins = fabric.copies(m, "begins", begin, len(groups))
        last_pixels = fabric.copies(m, "last_pixel", blocks.last_pixel, len(groups))
        for g, (group, reader, part) in enumerate(zip(groups, readers, parts, strict=True)):
            m.submodules[f"reader{group.start}"] = reader
            m.submodules[f"requantizer{group.start}"] = part
            columns = slice(group.start, group.stop)
            m.d.comb += [
                reader.begin.eq(begins[g]), reader.only_pixel.eq(blocks.only_pixel),
                reader.last_pixel.eq(last_pixels[g]),
                self.accumulator_read[columns].eq(reader.read.replicate(len(group))),
                part.i.valid.eq(reader.valid), reader.ready.eq(part.i.ready), part.o.ready.eq(taken_by[g]),
                part.negative.eq(parameters.negative[columns]),
                Cat(getattr(part, name) for name in _CONSTANTS).eq(constants_of[g]),
            ]
            for n, column in enumerate(group):
                m.d.comb += [
                    self.accumulator_pixel[column].eq(reader.pixel),
                    part.i.payload[n].eq(self.accumulators[column]), part.bias[n].eq(parameters.bias[column]),
                    part.magnitude[n].eq(parameters.magnitude[column]), output.payload[column].eq(part.o.payload[n]),
                ]
        m.d.comb += [
            output.valid.eq(parts[0].o.valid), output.ready.eq(taken_by[0]), written.eq(output.valid & output.ready),
        ]

        m.d.comb += [
            writer.i.payload.eq(output.payload), self.results.payload.eq(output.payload),
            self.write_enable.eq(writer.write_enable), self.write_address.eq(writer.write_address),
            self.write_data.eq(writer.write_data),
        ]
        with m.If(to_results):
            m.d.comb += self.results.valid.eq(output.valid & collected)
        with m.Else():
            m.d.comb += writer.i.valid.eq(output.valid)
        return m

    def _parameters(self, m: Module, fabric: Fabric, groups: Sequence[range],
                    arrives: Signal) -> tuple[_Parameters, Signal]:
        """Biases and multipliers of the group of channels at hand shift in, one column a cycle.

        `arrives` is high in each cycle in which the memory gives those of a column, and the second result in the one
        after. The last ones are there before the first pixel is sent.
        """
        columns, late, word = self._config.columns, fabric.late_memories, self.parameter_data
        layout = data.StructLayout({
            "bias": signed(self._config.accumulator_bits), "magnitude": MULTIPLIER_BITS, "negative": 1})
        shifted = _Parameters(Signal(data.ArrayLayout(layout["bias"].shape, columns), name="bias"),
                              Signal(data.ArrayLayout(MULTIPLIER_BITS, columns), name="magnitude"),
                              Signal(columns, name="negative"))
        given = data.View(layout, held(m, held(m, word, "parameter"), "parameter_late") if late else word)
        arriving = Signal()
        m.d.sync += arriving.eq(arrives)
        loads = held(m, arriving, "loads") if late else arrives
        for group, arrived in zip(groups, fabric.copies(m, "arrived", loads, len(groups)), strict=True):
            with m.If(arrived):
                for name, registers in shifted._asdict().items():
                    m.d.sync += [registers[column].eq(registers[column + 1] if column + 1 < columns else given[name])
                                 for column in group]
        return shifted, arriving
