"""Between AXI and the core: registers, receivers and sender, which share the host bus."""

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nomul.gen.spec.axi import StreamError
from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import RUNS_KEPT
from nomul.hdl.axi.arbiter import BusArbiter
from nomul.hdl.axi.check import MemoryChecker
from nomul.hdl.axi.images import ImageReceiver
from nomul.hdl.axi.lite import RegisterAccess
from nomul.hdl.axi.registers import AxiRegisters
from nomul.hdl.axi.results import ResultSender
from nomul.hdl.axi.sections import SectionReceiver
from nomul.hdl.axi.stream import ByteCutter, beat_layout
from nomul.hdl.bus import HostBus

__all__ = ["AxiHost"]


class AxiHost(wiring.Component):
    """What `nomul.hdl.link.HostLink` is for frames: streams and registers on one side, the host bus on the other.

    Parameters
    ----------
    config : Config
        Everything.
    width : int
        Bytes of a beat, one of `nomul.gen.spec.axi.STREAM_BYTES`.

    Members
    -------
    access : In(RegisterAccess)
        Registers.
    images, sections : In(stream of beat_layout(width)), results : Out(stream of beat_layout(width))
        The packets of `s_axis_data`, `s_axis_weights` and `m_axis_results`.
    halt : Out(1)
        Register HALT.
    bus : Out(HostBus)
        To the core.
    """

    def __init__(self, config: Config, width: int):
        self._config, self._width = config, width
        beat = stream.Signature(beat_layout(width))
        super().__init__({
            "access": In(RegisterAccess()), "images": In(beat), "sections": In(beat), "results": Out(beat),
            "halt": Out(1), "bus": Out(HostBus(config)),
        })

    def elaborate(self, platform):
        m = Module()
        config, width, bus = self._config, self._width, self.bus
        m.submodules.registers = registers = AxiRegisters(width, bus.signature.bits)
        m.submodules.cutter = cutter = ByteCutter(width)
        m.submodules.images = images = ImageReceiver(config)
        m.submodules.sections = sections = SectionReceiver(config, width)
        m.submodules.results = results = ResultSender(config, width)
        m.submodules.checker = checker = MemoryChecker(config)
        clients = [registers.client, results.client, checker.client, sections.client, images.client]
        m.submodules.arbiter = arbiter = BusArbiter(config, [len(client.data) for client in clients])
        for n, client in enumerate(clients):
            connect(m, client, getattr(arbiter, f"clients_{n}"))
        connect(m, flipped(self.access), registers.access)
        connect(m, flipped(self.images), cutter.i)
        connect(m, cutter.o, images.i)
        connect(m, flipped(self.sections), sections.i)
        connect(m, results.o, flipped(self.results))

        strobes = {
            StreamError.IMAGE_LENGTH: images.wrong_length,
            StreamError.NO_NETWORK: images.no_network | sections.no_network,
            StreamError.SECTION: sections.bad_section, StreamError.SECTION_LENGTH: sections.wrong_length,
            StreamError.RESULT_COUNT: results.too_many, StreamError.CHECK: checker.bad,
        }
        m.d.comb += [
            # The host bus.
            bus.region.eq(arbiter.region), bus.address.eq(arbiter.address),
            bus.write_enable.eq(arbiter.write_enable), bus.write_data.eq(arbiter.write_data),
            bus.read_enable.eq(arbiter.read_enable), arbiter.ready.eq(bus.ready), bus.start.eq(images.start),
            bus.result_run.eq(Mux(arbiter.granted[clients.index(results.client)], results.result_run, bus.run)),
            *(part.read_data.eq(bus.read_data) for part in (registers, results, checker)),
            # Runs.
            images.loaded.eq(bus.loaded), images.pending.eq(bus.pending), images.image_bytes.eq(registers.image_bytes),
            images.may_start.eq((results.unsent != RUNS_KEPT) & ~sections.owing),
            sections.loaded.eq(bus.loaded), sections.busy.eq(bus.busy), sections.start.eq(images.start),
            sections.stream_words.eq(registers.stream_words),
            results.start.eq(images.start), results.last.eq(images.last), results.run.eq(bus.run),
            results.pending.eq(bus.pending), results.busy.eq(bus.busy), results.result_count.eq(bus.result_count),
            # Registers.
            self.halt.eq(registers.halt), images.halt.eq(registers.halt), sections.halt.eq(registers.halt),
            results.halt.eq(registers.halt), registers.unsent.eq(results.unsent),
            registers.errors.eq(Cat(strobes[error] for error in StreamError)),
            checker.begin.eq(registers.check_begin), checker.address.eq(registers.check_address),
            checker.region.eq(registers.check_region), checker.words.eq(registers.check_words),
            checker.busy.eq(bus.busy), registers.left.eq(checker.left), registers.checksum.eq(checker.checksum),
            registers.word.eq(checker.word),
        ]
        with m.If(bus.start):
            m.d.sync += bus.run.eq(bus.run + 1)
        return m
