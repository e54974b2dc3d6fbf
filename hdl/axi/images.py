"""Packets of images, byte by byte into the core, and the runs that they start."""

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import Region
from nomul.hdl.axi.arbiter import BusClient
from nomul.hdl.axi.stream import BYTE

__all__ = ["ImageReceiver"]


class ImageReceiver(wiring.Component):
    """Takes packets of `s_axis_data` as `nomul.gen.spec.axi` defines them: a byte a cycle, and a cycle for each start.

    Bytes wait while a run is pending, the last one's start until `may_start`.

    Parameters
    ----------
    config : Config
        Gives `image_bytes`.

    Members
    -------
    i : In(stream of BYTE)
        Packets.
    client : Out(BusClient)
        Writes to INPUT.
    image_bytes : In(32)
        Register IMAGE_BYTES.
    loaded, pending : In(1)
        Of the host bus.
    may_start : In(1)
        There is room for a run's results, and no earlier run waits for weights.
    start, last : Out(1)
        Strobe: a run begins; with it, whether its image ends a packet.
    halt : In(1)
        Drop everything.
    wrong_length, no_network : Out(1)
        Strobes: errors of `StreamError`. What is left of the packet is dropped.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "i": In(stream.Signature(BYTE)), "client": Out(BusClient(8)), "image_bytes": In(32),
            "loaded": In(1), "pending": In(1), "may_start": In(1), "start": Out(1), "last": Out(1), "halt": In(1),
            "wrong_length": Out(1), "no_network": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        byte, client = self.i.payload, self.client
        following = Signal(range(self._config.image_bytes + 1), init=1)     # number of the byte behind this one
        dropping = Signal()
        impossible = (self.image_bytes == 0) | (self.image_bytes > self._config.image_bytes)
        m.d.comb += [
            client.write.eq(1), client.region.eq(Region.INPUT), client.address.eq(following - 1),
            client.data.eq(byte.data),
        ]

        def give_up(error, ended):
            m.d.comb += error.eq(1)
            m.d.sync += [dropping.eq(~ended), following.eq(1)]

        with m.FSM():
            with m.State("Bytes"):
                with m.If(dropping | self.halt):
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(self.i.valid & byte.last):
                        m.d.sync += dropping.eq(0)
                with m.Elif(self.i.valid & ~self.loaded):
                    m.d.comb += self.i.ready.eq(1)
                    give_up(self.no_network, byte.last)
                with m.Elif(self.i.valid & (impossible | ~byte.keep)):
                    m.d.comb += self.i.ready.eq(1)
                    give_up(self.wrong_length, byte.last)
                with m.Else():
                    m.d.comb += [client.request.eq(self.i.valid & ~self.pending), self.i.ready.eq(client.taken)]
                    with m.If(client.taken):
                        m.d.sync += [following.eq(following + 1), self.last.eq(byte.last)]
                        with m.If(following == self.image_bytes):
                            m.next = "Start"
                        with m.Elif(byte.last):
                            give_up(self.wrong_length, Const(1))
            with m.State("Start"):
                m.d.sync += following.eq(1)
                with m.If(self.halt):
                    m.next = "Bytes"
                with m.Elif(~self.loaded):
                    give_up(self.no_network, self.last)
                    m.next = "Bytes"
                with m.Elif(self.may_start):
                    m.d.comb += self.start.eq(1)
                    m.next = "Bytes"
        with m.If(self.halt):
            m.d.sync += [dropping.eq(0), following.eq(1)]
        return m
