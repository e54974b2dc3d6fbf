"""The core: memories, registers and engines behind one host bus. Everything of the accelerator but the link."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, connect

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import LATE
from nomul.gen.spec.program import ADDRESS_BITS, DESCRIPTOR_WORDS
from nomul.gen.spec.registers import INPUT_FIELDS, RUN_BIT, Region
from nomul.hdl.activity import ActivityCounters
from nomul.hdl.array_engine import ArrayEngine
from nomul.hdl.bus import HostBus
from nomul.hdl.constants import held
from nomul.hdl.descriptor import Layer
from nomul.hdl.fabric import fabric_of
from nomul.hdl.input_packer import InputPacker
from nomul.hdl.memory import add_memory
from nomul.hdl.registers import RegisterBlock
from nomul.hdl.results import ResultCollector
from nomul.hdl.sequencer import Sequencer
from nomul.hdl.stream import RegisterSlice, Wires
from nomul.hdl.vector import VectorEngine
from nomul.hdl.weight_decoder import WeightDecoder
from nomul.hdl.weight_ring import WeightRing

__all__ = ["Core"]


class Core(wiring.Component):
    """Runs the loaded program on the loaded image when the host says so.

    Parameters
    ----------
    config : Config
        Everything.

    Members
    -------
    bus : In(HostBus(config))
        Memory map of `nomul.gen.spec.registers`.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({"bus": In(HostBus(config))})

    def elaborate(self, platform):
        m = Module()
        config, bus = self._config, self.bus
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.array_engine = array = ArrayEngine(config)
        m.submodules.vector_engine = vector = VectorEngine(config)
        m.submodules.input_packer = packer = InputPacker(config)
        m.submodules.results = results = ResultCollector(config)
        m.submodules.registers = registers = RegisterBlock(config)

        fabric = fabric_of(platform)
        late = fabric.late_memories
        writing = {region: Signal(name=f"write_{region.name.lower()}") for region in Region}
        for region in Region:
            m.d.comb += writing[region].eq(bus.write_enable & (bus.region == region))
        read_data = {}
        registers_of = {Region.WEIGHTS: LATE, Region.ACTIVATIONS: LATE}     # where memories are late
        engines_read = held(m, sequencer.busy, "engines_read")     # before there are addresses, but of the program

        def host_memory(region, bits, depth, engine_address):
            """A memory that the host fills and an engine reads; the host reads it while the engines rest."""
            name = region.name.lower()
            to, start = Signal(range(depth), name=f"{name}_to"), Signal(range(depth), name=f"{name}_from")
            word, enable = Signal(bits, name=f"{name}_word"), Signal(name=f"{name}_write")
            # Small memories lie where large ones leave room, far away from what they belong to.
            far = late and region is not Region.WEIGHTS
            m.d.comb += [
                to.eq(bus.address), word.eq(bus.write_data), enable.eq(writing[region]),
                start.eq(held(m, bus.address, f"{name}_asked") if far else bus.address),
            ]
            with m.If(sequencer.busy if region is Region.PROGRAM else engines_read):
                m.d.comb += start.eq(engine_address)
            if config.weight_decoder and region is Region.WEIGHTS:
                with m.If(decoder.write_enable):
                    m.d.comb += [to.eq(decoder.write_address), word.eq(decoder.write_data), enable.eq(1)]
            if config.weight_stream and region is Region.WEIGHTS:
                with m.If(ring.write_enable):
                    m.d.comb += [to.eq(ring.write_address), enable.eq(1)]
            if far:
                registers_of[region] = 1
                to, word, enable = (held(m, value, f"{name}_{what}")
                                    for value, what in ((to, "place"), (word, "given"), (enable, "written")))
            # Weights are large, and written while the engines rest, if they are not streamed.
            memory = add_memory
            if region is Region.WEIGHTS:
                memory = fabric.two_port_memory if config.weight_stream else fabric.large_memory
            read_data[region] = memory(m, name, depth, to, word, enable, start)
            return read_data[region]

        # Coded weights; nobody touches the weight memory while they are decoded.
        m.d.comb += bus.ready.eq(1)
        decoding: Signal | int = 0
        if config.weight_decoder:
            m.submodules.decoder = decoder = WeightDecoder(config)
            decoding = decoder.busy
            m.d.comb += [
                decoder.byte_valid.eq(writing[Region.CODED_WEIGHTS]), decoder.byte_address.eq(bus.address),
                decoder.byte.eq(bus.write_data),
            ]
            with m.If(bus.region == Region.CODED_WEIGHTS):
                m.d.comb += bus.ready.eq(decoder.byte_ready)
        if config.weight_stream:
            m.submodules.ring = ring = WeightRing(config)
            connect(m, ring.reader, array.ring)
            m.d.comb += [
                ring.base.eq(registers.stream_base), ring.loaded.eq(registers.loaded),
                ring.running.eq(bus.pending | sequencer.busy), ring.begin.eq(bus.start),
                ring.word_valid.eq(writing[Region.WEIGHT_STREAM]), ring.word_address.eq(bus.address[:RUN_BIT]),
            ]
            with m.If(bus.region == Region.WEIGHT_STREAM):
                m.d.comb += bus.ready.eq(ring.word_ready)

        m.d.comb += [
            sequencer.program_data.eq(host_memory(
                Region.PROGRAM, 32, config.program_layers * DESCRIPTOR_WORDS, sequencer.program_address)),
            array.weight_data.eq(host_memory(
                Region.WEIGHTS, config.weight_word_bits, config.weight_words, array.weight_address)),
            array.parameter_data.eq(host_memory(
                Region.PARAMETERS, config.parameter_word_bits, config.parameter_words, array.parameter_address)),
        ]

        # Activation memory: one reader and one writer at a time.
        word = data.ArrayLayout(config.activation_bits, config.lanes)
        to, start = Signal(range(config.activation_words)), Signal(range(config.activation_words))
        given, enable = Signal(word), Signal(config.lanes)
        found = fabric.lane_memory(m, "activations", config.lanes, config.activation_words, to, given.as_value(),
                                   enable, start)
        m.d.comb += [array.read_data.eq(found), vector.read_data.eq(found)]
        read_data[Region.ACTIVATIONS] = found
        array_reads, vector_reads = held(m, array.busy, "array_reads"), held(m, vector.busy, "vector_reads")
        with m.If(array_reads):
            m.d.comb += start.eq(array.read_address)
        with m.Elif(vector_reads):
            m.d.comb += start.eq(vector.read_address)
        with m.Else():
            m.d.comb += start.eq(bus.address)
        # Engines cannot wait, the packer can; so that it need not know in time, its words pass a register slice. A word
        # is written one cycle after it is given, which is long before a layer, or the host, reads it.
        slice_of = Wires if config.serial_crc else RegisterSlice
        m.submodules.packed = packed = slice_of(data.StructLayout({"address": ADDRESS_BITS, "word": word}))
        packing = held(m, packer.byte_valid | packer.busy | packed.o.valid, "packing")
        m.d.comb += [
            packed.i.valid.eq(packer.write_enable), packer.write_ready.eq(packed.i.ready),
            packed.i.payload.address.eq(packer.write_address), packed.i.payload.word.eq(packer.write_data),
        ]
        # The array's codes come from many columns; a cycle more is none that a layer takes.
        codes = Cat(array.write_address, array.write_data, array.write_enable)
        if late:
            codes = held(m, codes, "codes")
        with m.If(codes[-1]):       # of the last lane, which is written with any
            m.d.comb += [
                to.eq(codes[:ADDRESS_BITS]), given.eq(codes[ADDRESS_BITS:-config.lanes]),
                enable.eq(codes[-config.lanes:]),
            ]
        with m.Elif(vector.write_enable):
            m.d.comb += [to.eq(vector.write_address), given.eq(vector.write_data), enable.eq(-1)]
        with m.Elif(packed.o.valid):
            m.d.comb += [
                packed.o.ready.eq(1), to.eq(packed.o.payload.address), given.eq(packed.o.payload.word), enable.eq(-1),
            ]
        with m.Else():
            m.d.comb += [
                to.eq(bus.address), given.eq(bus.write_data),
                enable.eq(writing[Region.ACTIVATIONS].replicate(config.lanes)),
            ]
        m.d.sync += [
            packer.byte_valid.eq(writing[Region.INPUT]), packer.byte_address.eq(bus.address[:RUN_BIT]),
            packer.byte.eq(bus.write_data),
        ]
        m.d.comb += [
            packer.clear.eq(~registers.loaded), packer.hold.eq(~sequencer.input_free),
            *(Cat(packer.windows[name] for name in names).eq(getattr(registers, register.lower()))
              for register, names in INPUT_FIELDS.items()),
        ]

        # Program. It begins when the image has been packed, and the run before has ended.
        running = sequencer.busy | results.busy
        with m.If(bus.start & bus.loaded):
            m.d.sync += bus.pending.eq(1)
        with m.If(sequencer.start):
            m.d.sync += bus.pending.eq(0)
        m.d.comb += [
            bus.loaded.eq(registers.loaded), packer.flush.eq(bus.pending),
            sequencer.start.eq(bus.pending & ~packing & ~running),
            bus.busy.eq(bus.pending | running | decoding), bus.result_count.eq(registers.result_count),
            array.start.eq(sequencer.array_start), sequencer.array_busy.eq(array.busy),
            vector.start.eq(sequencer.vector_start), sequencer.vector_busy.eq(vector.busy),
            array.descriptor.eq(sequencer.descriptor), vector.descriptor.eq(sequencer.descriptor),
        ]

        # What the cycles went into.
        if config.counters:
            m.submodules.activity = activity = ActivityCounters()
            m.d.sync += activity.clear.eq(sequencer.start)      # nothing happens for some cycles
            m.d.comb += [
                activity.executing.eq(sequencer.executing),
                activity.awaiting.eq(bus.pending & packing & ~running),
                activity.working.eq(array.working | vector.working),
                activity.lacks_tile.eq(array.lacks_tile), activity.lacks_bank.eq(array.lacks_bank),
                *(getattr(registers, f"cycles_{name}").eq(getattr(activity, name))
                  for name in ("busy", "weights", "accumulators", "drain", "input")),
            ]

        # Results.
        connect(m, array.results, results.i)
        m.d.comb += [
            results.i_group.eq(array.results_group), results.clear.eq(sequencer.start), results.run.eq(bus.run),
            results.count.eq(Layer(sequencer.descriptor, config).channels),
            results.finish.eq(sequencer.done), results.cycles.eq(sequencer.cycles),
            results.read_run.eq(bus.result_run), results.read_address.eq(bus.address),
        ]
        read_data[Region.RESULTS] = results.read_data

        # Registers.
        m.d.comb += [
            registers.address.eq(bus.address), registers.write_data.eq(bus.write_data),
            registers.write_enable.eq(writing[Region.REGISTERS]),
            registers.busy.eq(bus.busy), registers.run.eq(bus.run), registers.cycles.eq(sequencer.cycles),
            registers.top.eq(results.top), registers.bad_frame.eq(bus.bad_frame),
        ]
        read_data[Region.REGISTERS] = registers.read_data

        # A read's data, when `HostBus` promises them.
        chosen = []
        for each, value in read_data.items():
            name = each.name.lower()
            asked = Signal(name=f"read_{name}")
            m.d.sync += asked.eq(bus.region == each)
            if late:
                for n in range(LATE):
                    asked = held(m, asked, f"choose_{name}{n}")
                for n in range(LATE - registers_of.get(each, 0)):
                    value = held(m, value, f"{name}_found{n}")
            chosen.append(Mux(asked, value, 0))
        m.d.sync += bus.read_data.eq(reduce(or_, chosen))
        return m
