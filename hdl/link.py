"""The device's end of the link: two byte streams on one side, the host bus on the other."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nomul.gen.spec.config import Config
from nomul.hdl.bus import HostBus
from nomul.hdl.fabric import fabric_of
from nomul.hdl.framing import FrameReceiver, FrameTransmitter
from nomul.hdl.host import HostProcessor
from nomul.hdl.stream import Queue, RegisterSlice, Wires, pipe

__all__ = ["HostLink"]


class HostLink(wiring.Component):
    """Queue, receiver, processor and transmitter: byte streams of the link on one side, the host bus on the other.

    Parameters
    ----------
    config : Config
        Everything.

    Members
    -------
    rx : In(stream of 8), tx : Out(stream of 8)
        Bytes from and to the host. `rx` takes `2 * frame_bytes` bytes while a request is carried out.
    bus : Out(HostBus)
        To the core.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "rx": In(stream.Signature(8)), "tx": Out(stream.Signature(8)), "bus": Out(HostBus(config)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(8, 2 * self._config.frame_bytes)
        m.submodules.receiver = receiver = FrameReceiver(self._config)
        m.submodules.processor = processor = HostProcessor(self._config)
        m.submodules.transmitter = transmitter = FrameTransmitter(self._config)
        connect(m, flipped(self.rx), queue.i)
        # A memory's output is late in its cycle, so where ways are long there is a slice close to it.
        slices = [Wires(8)] if self._config.serial_crc else [
            RegisterSlice(8) for _ in range(2 if fabric_of(platform).late_memories else 1)]
        m.submodules += slices
        pipe(m, queue, *slices, receiver)
        connect(m, receiver.frame, processor.frame)
        m.d.comb += processor.bad.eq(receiver.bad)
        m.d.comb += [
            transmitter.absorb.eq(processor.absorb), transmitter.clear.eq(processor.clear),
            processor.crc.eq(transmitter.crc),
        ]
        connect(m, processor.header, transmitter.header)
        connect(m, processor.payload, transmitter.payload)
        connect(m, transmitter.o, flipped(self.tx))
        connect(m, processor.bus, flipped(self.bus))
        return m
