"""Reads memories back for the host: their checksum, and single words."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import Region, depth, word_bytes
from nomul.hdl.axi.arbiter import BusClient
from nomul.hdl.bus import HostBus, read_waits

__all__ = ["MemoryChecker"]

#: Regions that can be read.
_REGIONS = (Region.REGISTERS, Region.PROGRAM, Region.WEIGHTS, Region.PARAMETERS, Region.ACTIVATIONS, Region.RESULTS)


class MemoryChecker(wiring.Component):
    """Reads words of a region, when the core has nothing to do, and finds the CRC-32 of their bytes.

    A word takes a cycle a byte, and three. REGISTERS can be read at any time.

    Parameters
    ----------
    config : Config
        Sizes and depths of the regions.

    Members
    -------
    begin : In(1), address : In(24), region : In(8), words : In(32)
        Strobe: read so many words from there on; whatever was under way is given up.
    left : Out(32)
        Words to go.
    checksum : Out(32), word : Out
        CRC-32 of the words, and the last of them; valid when none is left.
    bad : Out(1)
        Strobe: the region has no such words; error CHECK.
    busy : In(1), client : Out(BusClient), read_data : In
        Of the host bus.
    """

    def __init__(self, config: Config):
        self._config, bits = config, HostBus(config).bits
        super().__init__({
            "begin": In(1), "address": In(24), "region": In(8), "words": In(32), "left": Out(32),
            "checksum": Out(32), "word": Out(bits), "bad": Out(1),
            "busy": In(1), "client": Out(BusClient(1)), "read_data": In(bits),
        })

    def elaborate(self, platform):
        m = Module()
        client = self.client
        m.submodules.crc = crc = CRC32_ISO_HDLC(8).create()
        region, address = Signal.like(client.region), Signal.like(client.address)
        size = Signal(range(max(word_bytes(each, self._config) for each in _REGIONS) + 1))
        index = Signal.like(size)
        m.d.comb += [
            client.region.eq(region), client.address.eq(address), self.checksum.eq(crc.crc),
            crc.start.eq(self.begin),
        ]
        with m.Switch(index):
            for n in range(len(self.word) // 8):
                with m.Case(n):
                    m.d.comb += crc.data.eq(self.word[8 * n:8 * n + 8])
        with m.FSM():
            with m.State("Check"):
                limit = Signal(range(max(depth(each, self._config) for each in _REGIONS) + 1))
                with m.Switch(self.region):
                    for each in _REGIONS:
                        with m.Case(each):
                            m.d.comb += limit.eq(depth(each, self._config))
                            m.d.sync += size.eq(word_bytes(each, self._config))
                m.d.sync += [region.eq(self.region), address.eq(self.address)]
                with m.If((self.left != 0) & ~self.begin):
                    m.next = "Fetch"
                    with m.If(self.address + self.left > limit):
                        m.d.comb += self.bad.eq(1)
                        m.d.sync += self.left.eq(0)
                        m.next = "Check"
            with m.State("Fetch"):
                m.d.comb += client.request.eq(~self.busy | (region == Region.REGISTERS))
                m.d.sync += index.eq(0)
                with m.If(client.taken):
                    m.next = "Wait"
                with m.If(self.begin):
                    m.next = "Check"
            for state, following in read_waits(platform):
                with m.State(state):
                    m.next = following
                    with m.If(self.begin):
                        m.next = "Check"
            with m.State("Latch"):
                m.d.sync += self.word.eq(self.read_data)
                m.next = "Bytes"
                with m.If(self.begin):
                    m.next = "Check"
            with m.State("Bytes"):
                m.d.comb += crc.valid.eq(~self.begin)
                m.d.sync += index.eq(index + 1)
                with m.If(index == size - 1):
                    m.d.sync += [address.eq(address + 1), self.left.eq(self.left - 1)]
                    m.next = "Fetch"
                    with m.If(self.left == 1):
                        m.next = "Check"
                with m.If(self.begin):
                    m.next = "Check"
        with m.If(self.begin):
            m.d.sync += self.left.eq(self.words)
        return m
