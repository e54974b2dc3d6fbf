"""Results of finished runs, as packets."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import RUN_NUMBERS, RUNS_KEPT
from nomul.gen.spec.program import RESULT_BITS
from nomul.gen.spec.registers import RESULT_HEADER, Region
from nomul.hdl.axi.arbiter import BusClient
from nomul.hdl.axi.stream import beat_layout
from nomul.hdl.bus import read_waits

__all__ = ["ResultSender"]


class ResultSender(wiring.Component):
    """Fetches the result words of each run when it has ended, and sends them as `nomul.gen.spec.axi` says.

    A word takes three cycles, and its turns on the bus.

    Parameters
    ----------
    config : Config
        Gives `result_words`.
    width : int
        Bytes of a beat.

    Members
    -------
    start, last : In(1)
        Strobe: a run is started; whether its results end a packet.
    run : In(4), pending, busy : In(1), result_count : In(range(result_words + 2))
        Of the host bus.
    client : Out(BusClient), read_data : In(16)
        Reads of RESULTS.
    result_run : Out(2)
        Whose.
    o : Out(stream of beat_layout(width))
        The packets.
    unsent : Out(range(RUNS_KEPT + 1))
        Runs whose results have not all been taken. With `RUNS_KEPT` of them no other may be started.
    halt : In(1)
        Give up all results, also of runs that have not ended.
    too_many : Out(1)
        Strobe: error RESULT_COUNT.
    """

    def __init__(self, config: Config, width: int):
        self._config, self._width = config, width
        super().__init__({
            "start": In(1), "last": In(1), "run": In(range(RUN_NUMBERS)), "pending": In(1), "busy": In(1),
            "result_count": In(range(config.result_words + 2)),
            "client": Out(BusClient(1)), "read_data": In(RESULT_BITS),
            "result_run": Out(range(RUNS_KEPT)), "o": Out(stream.Signature(beat_layout(width))),
            "unsent": Out(range(RUNS_KEPT + 1)), "halt": In(1), "too_many": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        client, beat = self.client, self.o.payload
        # Which run's results are next, and whether they are there: a run begins when the one before has ended.
        sent, following, age = Signal.like(self.run), Signal.like(self.run), Signal.like(self.run)
        ended = ~((age == 0) & self.busy | (age == 1) & self.pending)
        m.d.comb += [
            following.eq(sent + 1), age.eq(self.run - following), self.unsent.eq(self.run - sent),
            self.result_run.eq(following),
        ]
        ends_packet = Signal(RUNS_KEPT)     # by the run's number
        with m.If(self.start):
            m.d.sync += ends_packet.bit_select((self.run + 1)[:2], 1).eq(self.last)

        word = Signal(range(self._config.result_words + RESULT_HEADER + 1))
        last_word = word == (self.result_count + RESULT_HEADER - 1)[:len(word)]
        part = Signal(range(8 * self._width // RESULT_BITS))
        m.d.comb += [
            client.region.eq(Region.RESULTS), client.address.eq(word), beat.keep.eq(-1),
        ]
        content, complete = Signal(8 * self._width), Signal()   # complete: with its last word
        m.d.comb += [beat.data.eq(content), beat.last.eq(complete & ends_packet.bit_select(following[:2], 1))]
        with m.If(self.halt):
            m.d.sync += sent.eq(self.run)
        with m.FSM():
            with m.State("Idle"):
                m.d.sync += [word.eq(0), part.eq(0), content.eq(0)]
                with m.If((self.unsent != 0) & ended & ~self.halt):
                    with m.If(self.result_count > self._config.result_words):
                        m.d.comb += self.too_many.eq(1)
                        m.d.sync += sent.eq(following)
                    with m.Else():
                        m.next = "Fetch"
            with m.State("Fetch"):
                m.d.comb += client.request.eq(~self.halt)
                with m.If(client.taken):
                    m.next = "Wait"
                with m.If(self.halt):
                    m.next = "Idle"
            for state, state_after in read_waits(platform):
                with m.State(state):
                    m.next = state_after
            with m.State("Latch"):
                m.d.sync += [
                    content.word_select(part, RESULT_BITS).eq(self.read_data), word.eq(word + 1), part.eq(part + 1),
                    complete.eq(last_word),
                ]
                m.next = "Fetch"
                with m.If(last_word | (part == 8 * self._width // RESULT_BITS - 1)):
                    m.next = "Offer"
            with m.State("Offer"):
                m.d.comb += self.o.valid.eq(~self.halt)
                with m.If(self.halt):
                    m.next = "Idle"
                with m.Elif(self.o.ready):
                    m.d.sync += content.eq(0)
                    m.next = "Fetch"
                    with m.If(complete):
                        m.d.sync += sent.eq(following)
                        m.next = "Idle"
        return m
