"""Packets of sections: words for the memories, whole beats at a time."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.axi import SECTION, SECTION_REGIONS, beats
from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import RUN_BIT, Region, depth
from nomul.hdl.axi.arbiter import BusClient
from nomul.hdl.axi.stream import beat_layout
from nomul.hdl.bus import HostBus

__all__ = ["SectionReceiver"]

_HEADER = data.StructLayout(SECTION)


class SectionReceiver(wiring.Component):
    """Takes packets of `s_axis_weights` as `nomul.gen.spec.axi` defines them: a beat a cycle, and two for each header.

    Parameters
    ----------
    config : Config
        Sizes and depths of the regions.
    width : int
        Bytes of a beat, at least 4.

    Members
    -------
    i : In(stream of beat_layout(width))
        Packets.
    client : Out(BusClient)
        Writes to the regions.
    loaded, busy : In(1)
        Of the host bus.
    start : In(1), stream_words : In(32)
        Strobe: a run is started; the register STREAM_WORDS.
    owing : Out(1)
        The run that was started last has not got all its words yet: no other may be started.
    halt : In(1)
        Drop everything, and owe nothing.
    bad_section, wrong_length, no_network : Out(1)
        Strobes: errors of `StreamError`. What is left of the packet is dropped.
    """

    def __init__(self, config: Config, width: int):
        self._config, self._width = config, width
        super().__init__({
            "i": In(stream.Signature(beat_layout(width))), "client": Out(BusClient(HostBus(config).bits)),
            "loaded": In(1), "busy": In(1), "start": In(1), "stream_words": In(32), "owing": Out(1), "halt": In(1),
            "bad_section": Out(1), "wrong_length": Out(1), "no_network": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, width, beat, client = self._config, self._width, self.i.payload, self.client

        # Words that the run which was started last has still to get, and the address of the next of them.
        owed, place = Signal(32), Signal(RUN_BIT)
        m.d.comb += self.owing.eq(owed != 0)

        # The section that comes in.
        header = Signal(_HEADER)
        size, part = Signal(range(self._most_beats() + 1)), Signal(range(self._most_beats()))
        left = Signal.like(header.words)
        dropping = Signal()
        # The word that is complete, and where it goes.
        word, full = Signal(8 * width * self._most_beats()), Signal()
        region, address = Signal.like(client.region), Signal.like(client.address)
        streamed = region == Region.WEIGHT_STREAM
        done = Signal()         # it has been written, or is of no use
        m.d.comb += [
            client.write.eq(1), client.region.eq(region), client.data.eq(word),
            client.address.eq(address), done.eq(client.taken),
        ]
        with m.If(streamed):
            m.d.comb += [client.address.eq(place), client.request.eq(full & self.loaded & self.owing)]
            with m.If(full & ~self.loaded):
                m.d.comb += done.eq(1)
        with m.Else():
            m.d.comb += client.request.eq(full & (~self.busy | (region == Region.REGISTERS)))
        with m.If(done):
            m.d.sync += [full.eq(0), address.eq(address + 1)]
        with m.If(client.taken & streamed):
            m.d.sync += [owed.eq(owed - 1), place.eq(place + 1)]

        def give_up(error):
            m.d.comb += error.eq(1)
            m.d.sync += dropping.eq(~beat.last)

        def take_header(value):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += Value.cast(header).eq(value)
            m.next = "Check"
            with m.If(beat.last | ~beat.keep.all()):
                give_up(self.wrong_length)
                m.next = "Header"

        with m.FSM():
            with m.State("Header"):
                with m.If(dropping | self.halt):
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(self.i.valid & beat.last):
                        m.d.sync += dropping.eq(0)
                with m.Elif(self.i.valid):
                    take_header(beat.data)
                    if width == 4:
                        with m.If(~beat.last & beat.keep.all()):
                            m.next = "Header's rest"
            with m.State("Header's rest"):
                with m.If(self.i.valid):
                    take_header(Value.cast(header)[:32] | beat.data << 32)
                with m.If(self.halt):
                    m.next = "Header"
            with m.State("Check"):
                limit = Signal(range(max(depth(region, config) for region in Region) + 1))
                with m.Switch(header.region):
                    for each in SECTION_REGIONS:
                        with m.Case(each):
                            m.d.comb += limit.eq(depth(each, config))
                            m.d.sync += size.eq(beats(each, config, width))
                to_stream = header.region == Region.WEIGHT_STREAM
                beyond = ~to_stream & (header.address + header.words > limit)
                with m.If(self.halt):
                    m.next = "Header"
                with m.Elif((header.words == 0) | (limit == 0) | beyond):
                    m.d.comb += self.bad_section.eq(1)
                    m.d.sync += dropping.eq(1)
                    m.next = "Header"
                with m.Elif(to_stream & ~self.loaded):
                    m.d.comb += self.no_network.eq(1)
                    m.d.sync += dropping.eq(1)
                    m.next = "Header"
                with m.Elif(~full):
                    m.d.sync += [
                        region.eq(header.region), address.eq(header.address), left.eq(header.words), part.eq(0),
                    ]
                    m.next = "Words"
            with m.State("Words"):
                last_part = part == size - 1
                section_end = last_part & (left == 1)
                m.d.comb += self.i.ready.eq(~full | done)
                with m.If(self.halt):
                    m.next = "Header"
                with m.Elif(self.i.valid & self.i.ready):
                    with m.If(~beat.keep.all() | (beat.last & ~section_end)):
                        give_up(self.wrong_length)
                        m.next = "Header"
                    with m.Else():
                        m.d.sync += [word.word_select(part, 8 * width).eq(beat.data), part.eq(part + 1)]
                        with m.If(last_part):
                            m.d.sync += [part.eq(0), full.eq(1), left.eq(left - 1)]
                        with m.If(section_end):
                            m.next = "Header"

        with m.If(self.start):
            m.d.sync += [owed.eq(self.stream_words if config.weight_stream else 0), place.eq(0)]
        with m.If(self.halt | ~self.loaded):
            m.d.sync += owed.eq(0)
        with m.If(self.halt):
            m.d.sync += [full.eq(0), dropping.eq(0)]
        return m

    def _most_beats(self) -> int:
        return max(beats(region, self._config, self._width) for region in SECTION_REGIONS)
