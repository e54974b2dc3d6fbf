"""Runs ARRAY layers: weight tiles, activations, processing array, block accumulators and drain, all overlapped."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import ACCUMULATOR, LATE
from nomul.gen.spec.program import ADDRESS_BITS, RESULT_BITS
from nomul.hdl.accumulator import BlockAccumulator
from nomul.hdl.array import ProcessingArray
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.drain import Drain
from nomul.hdl.fabric import fabric_of
from nomul.hdl.issuer import ActivationIssuer, issue_tag
from nomul.hdl.tile import WeightTile
from nomul.hdl.tile_loader import TileLoader
from nomul.hdl.weight_ring import RingReader

__all__ = ["ArrayEngine"]


class ArrayEngine(wiring.Component):
    """One ARRAY descriptor at a time.

    The array takes one word (`lanes` activations) per cycle as long as a weight tile is loaded and an accumulator bank
    is free. A tile is used for up to `block_pixels` cycles and takes up to `columns` cycles to load.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from the cycle before `start` on, while busy.
    start : In(1), busy : Out(1)
        Strobe; high from the next cycle until the last output has been handed over.
    weight_*, parameter_*, read_* : addresses out, data in
        Weight, parameter and activation memory; data one cycle after the address; weights and activations `LATE`
        cycles later where memories are late.
    write_enable : Out(lanes), write_address : Out(20), write_data : Out(lanes × A)
        Activation memory; one enable per lane.
    results : Out(stream of columns × signed(17)), results_group : Out(10)
        To `ResultCollector`.
    ring : In(RingReader(config))
        Weights of streamed layers; only with `weight_stream`.
    working : Out(1), lacks_tile : Out(1), lacks_bank : Out(1)
        As of `ActivationIssuer`.
    """

    def __init__(self, config: Config):
        self._config = config
        word = data.ArrayLayout(config.activation_bits, config.lanes)
        super().__init__({
            "descriptor": In(DESCRIPTOR), "start": In(1), "busy": Out(1),
            "weight_address": Out(range(config.weight_words)), "weight_data": In(config.weight_word_bits),
            "parameter_address": Out(range(config.parameter_words)), "parameter_data": In(config.parameter_word_bits),
            "read_address": Out(ADDRESS_BITS), "read_data": In(word),
            "write_enable": Out(config.lanes), "write_address": Out(ADDRESS_BITS), "write_data": Out(word),
            "results": Out(stream.Signature(data.ArrayLayout(signed(RESULT_BITS + 1), config.columns))),
            "results_group": Out(10), "working": Out(1), "lacks_tile": Out(1), "lacks_bank": Out(1),
            **({"ring": In(RingReader(config))} if config.weight_stream else {}),
        })

    def elaborate(self, platform):
        m = Module()
        config, layer = self._config, Layer(self.descriptor, self._config)
        m.submodules.loader = loader = TileLoader(config)
        m.submodules.tile = tile = WeightTile(config)
        m.submodules.issuer = issuer = ActivationIssuer(config)
        m.submodules.array = array = ProcessingArray(config, issue_tag(config))
        m.submodules.accumulators = accumulators = BlockAccumulator(config, unsigned(array.sum_bits))
        m.submodules.drain = drain = Drain(config)
        for part in (loader, issuer, drain):
            m.d.comb += [part.descriptor.eq(self.descriptor), part.start.eq(self.start)]

        # What goes with activations waits for late memories; elsewhere `filled` comes later instead, so that cycles are
        # the same everywhere. `swap` comes a cycle before the word that it belongs to.
        fabric = fabric_of(platform)
        late = fabric.late_memories
        about = data.StructLayout({"valid": 1, "outside": 1, "swap": 1, "tag": issue_tag(config)})
        arrived = Signal(about, name="issued")
        m.d.comb += [arrived[name].eq(getattr(issuer, name)) for name in about.members]
        for n in range(LATE if late else 0):
            issued, arrived = arrived, Signal(about, name=f"issued{n}")
            m.d.sync += arrived.eq(issued)
        read, arrived = arrived, Signal(about, name="arrived")
        taps = Signal.like(self.read_data, reset_less=True)
        pad_code, = fabric.constants(m, "pad_code", layer.pad_code)
        m.d.sync += arrived.eq(read)
        with m.If(read.valid):
            m.d.sync += [tap.eq(Mux(read.outside, pad_code, code))
                         for tap, code in zip(taps, self.read_data, strict=True)]

        # Weights: memory → shadow → active.
        m.d.comb += [
            self.weight_address.eq(loader.memory_address), loader.memory_data.eq(self.weight_data),
            tile.load.eq(loader.load), tile.load_column.eq(loader.load_column), tile.load_word.eq(loader.load_word),
            tile.swap.eq(arrived.swap), array.weights.eq(tile.weights),
            issuer.tile_full.eq(loader.full), loader.take.eq(issuer.tile_take),
        ]
        if config.weight_stream:
            connect(m, flipped(self.ring), loader.ring)

        # Activations: memory → array → accumulators.
        m.d.comb += [
            self.read_address.eq(issuer.read_address), self.working.eq(issuer.working),
            self.lacks_tile.eq(issuer.lacks_tile), self.lacks_bank.eq(issuer.lacks_bank),
            array.i_valid.eq(arrived.valid), array.i_tag.eq(arrived.tag), array.i_activations.eq(taps),
            array.i_operator.eq(layer.operator),
            accumulators.i_valid.eq(array.o_valid), accumulators.i_sums.eq(array.o_sums),
            accumulators.i_bank.eq(array.o_tag.bank), accumulators.i_pixel.eq(array.o_tag.pixel),
            accumulators.i_first.eq(array.o_tag.first),
        ]
        if config.depthwise_l1:
            m.d.comb += array.i_own_lane.eq(layer.own_lane)

        # Banks: taken when a block begins, filled when its last sum is visible, freed when the drain has read it.
        bank_busy = Signal(2)
        for bank in range(2):
            with m.If(issuer.bank_take & (issuer.bank == bank)):
                m.d.sync += bank_busy[bank].eq(1)
            with m.Elif(drain.freed & (drain.bank == bank)):
                m.d.sync += bank_busy[bank].eq(0)
        filled = array.o_valid & array.o_tag.last
        for _ in range(1 + ACCUMULATOR + (0 if late else LATE)):
            delayed = Signal()
            m.d.sync += delayed.eq(filled)
            filled = delayed
        m.d.comb += [
            issuer.bank_busy.eq(bank_busy), drain.filled.eq(filled),
            accumulators.read_bank.eq(drain.bank), accumulators.read_pixel.eq(drain.accumulator_pixel),
            accumulators.read.eq(drain.accumulator_read), drain.accumulators.eq(accumulators.read_values),
        ]

        # Outputs. The drain starts and ends last, so it alone tells whether the engine is busy.
        connect(m, flipped(self.results), drain.results)
        m.d.comb += [
            self.busy.eq(drain.busy), self.results_group.eq(drain.results_group),
            self.parameter_address.eq(drain.parameter_address), drain.parameter_data.eq(self.parameter_data),
            self.write_enable.eq(drain.write_enable), self.write_address.eq(drain.write_address),
            self.write_data.eq(drain.write_data),
        ]
        return m
