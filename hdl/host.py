"""The device's side of the link: takes requests, works on the host bus, answers (`nomul.gen.spec.frames`)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import ANSWER, RUNS_KEPT, Operation, Status
from nomul.gen.spec.registers import RESULT_HEADER, RUN_BIT, Region, depth, most_results, word_bytes
from nomul.hdl.bus import HostBus, read_waits
from nomul.hdl.constants import held
from nomul.hdl.fabric import fabric_of
from nomul.hdl.framing import HEADER, ReceivedFrame
from nomul.hdl.sums import sum_of

__all__ = ["HostProcessor"]

#: Payload bytes that name what a request is about (region 1, address 3, count 4), as many as each operation has.
_SUBJECT_BYTES = {Operation.READ: 6, Operation.WRITE: 4, Operation.CHECKSUM: 8, Operation.START: 1, Operation.FINISH: 1}
#: Of them, those that more payload may follow.
_OPEN = (Operation.WRITE, Operation.START)


class HostProcessor(wiring.Component):
    """Carries out one request after the other.

    Whatever can be wrong with a request is found before anything is written. A write takes one cycle a byte and one
    a word, after one a word to find the length in words (there is no divider); a read one a byte and three a word.
    Where memories are late, a write takes two a word, a read two a byte and five a word.
    Requests that a run does not allow wait for its end; that needs nobody.

    Parameters
    ----------
    config : Config
        Sizes and depths of the regions, longest payload.

    Members
    -------
    frame : In(ReceivedFrame), bad : In(1)
        From `FrameReceiver`.
    header : Out(stream of HEADER), payload : Out(stream of 8), absorb : Out(1), clear : Out(1), crc : In(32)
        To and from `FrameTransmitter`, whose CRC makes the checksums.
    bus : Out(HostBus)
        To the core.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "frame": In(ReceivedFrame(config)), "bad": In(1),
            "header": Out(stream.Signature(HEADER)), "payload": Out(stream.Signature(8)),
            "absorb": Out(1), "clear": Out(1), "crc": In(32), "bus": Out(HostBus(config)),
        })

    def elaborate(self, platform):
        m = Module()
        config, frame, bus, payload = self._config, self.frame, self.bus, self.payload
        request = frame.header

        # Sequence numbers.
        expected = Signal(8)
        answered = Signal()             # a request has been taken: `expected - 1` may be repeated
        nak_due, nak = Signal(), Signal()

        # `count` words of `region` from `place` on are moved byte by byte; the last byte is that of number `end`. An
        # address has as many bits as the deepest region, and a run's number from `RUN_BIT` on. Whether there were more
        # bits that are not 0, is told by `far` for the address, and by `many` for the count.
        deepest = max(depth(each, config) for each in Region).bit_length()
        region, far, many = Signal(8), Signal(), Signal()
        place, turn = Signal(min(deepest, RUN_BIT)), Signal(24 - RUN_BIT)
        address = Cat(place, Const(0, RUN_BIT - len(place)), turn)
        count = Signal(max(deepest, config.frame_bytes.bit_length()) + 1)
        end = Signal(range(max(bus.signature.bits // 8, *_SUBJECT_BYTES.values())))
        word = Signal(bus.signature.bits)
        index = Signal.like(end)
        up, down = Signal(), Signal()           # by one in the next cycle, with one adder
        up_now, down_now = held(m, up, "up_now"), held(m, down, "down_now")
        with m.If(up_now | down_now):
            m.d.sync += count.eq(sum_of(count, down_now.replicate(len(count)), up_now))
        last_byte, last_word = index == end, count == 1
        # Runs. The number of a START or FINISH is where other requests have their region.
        run, following, result_run = Signal.like(bus.run), Signal.like(bus.run), Signal.like(bus.result_run)
        age = Signal.like(bus.run)      # how many runs have been started since
        m.d.comb += [
            run.eq(region), following.eq(bus.run + 1), age.eq(bus.run - run),
            bus.result_run.eq(Mux(request.operation == Operation.FINISH, result_run, bus.run)),
        ]
        # Words of an image are for the run that follows, those of the weight stream for the one that was started last.
        image, weights = region == Region.INPUT, region == Region.WEIGHT_STREAM
        due = turn == Mux(weights, bus.run, following)

        # The byte at `position` of the payload is always there: the memory is asked for the next one in time. If it is
        # late in its cycle, there is a register behind it, and one of the address in front of it, so that what is asked
        # for is two bytes further on.
        position, asked = Signal.like(frame.address), Signal.like(frame.address)
        opening, opened, advance, byte = Signal(), Signal(), Signal(), Signal.like(frame.data)
        with m.If(advance):
            m.d.sync += position.eq(position + 1)
        late = fabric_of(platform).late_memories
        if late:
            m.d.comb += [frame.read.eq(opening | opened | advance), frame.address.eq(asked)]
            with m.If(frame.read):
                m.d.sync += [asked.eq(asked + 1), byte.eq(frame.data)]
        else:
            m.d.comb += [frame.read.eq(1), frame.address.eq(position + advance), byte.eq(frame.data)]

        # The answer.
        status = Signal(Status)
        length = Signal(range(config.frame_bytes + 2))
        answering = Signal()
        m.d.comb += [
            self.header.payload.sequence.eq(Mux(nak, expected, request.sequence)),
            self.header.payload.operation.eq(Mux(nak, Operation.NAK, request.operation) | ANSWER),
            self.header.payload.length.eq(length),
            bus.region.eq(region), bus.address.eq(address), bus.write_data.eq(word), bus.bad_frame.eq(self.bad),
        ]

        def refuse(why: Status):
            m.d.sync += [status.eq(why), length.eq(1)]
            m.next = "Header"

        def take(part, bits, flag):
            """Some bits of the byte at hand; the flag, if those that `part` has no room for are not 0."""
            m.d.sync += part.eq(bits)
            with m.If(bits[len(part):].any()):
                m.d.sync += flag.eq(1)

        def next_word():
            later = Cat(place, turn) + 1 if deepest > RUN_BIT else Cat((place + 1)[:len(place)], turn)
            m.d.sync += Cat(place, turn).eq(later)
            m.d.comb += down.eq(1)

        def work_on(which: Region, number, words):
            m.d.sync += [
                region.eq(which), place.eq(0), turn.eq(number), count.eq(words), index.eq(0),
                end.eq(word_bytes(which, config) - 1),
            ]

        # What becomes of the word: a byte is put in; it moves on to its next byte; the one that was asked for arrives
        # in the next cycle. Words are wide, so where ways are long, that comes from registers, and states wait for it.
        # It is also what SYNC and CHECKSUM answer.
        put, move, arriving, sync, summed = Signal(), Signal(), Signal(), Signal(), Signal()
        put_now, move_now, place_now, byte_now, sync_now, summed_now, crc = (
            held(m, value, f"{name}_now") if late else value
            for name, value in (("put", put), ("move", move), ("place", index), ("byte", byte), ("sync", sync),
                                ("summed", summed), ("crc", self.crc)))
        with m.If(put_now):
            m.d.sync += word.word_select(place_now, 8).eq(byte_now)
        with m.If(move_now):
            m.d.sync += word.eq(word >> 8)
        with m.If(held(m, arriving, "arrived")):
            m.d.sync += word.eq(bus.read_data)
        with m.If(sync_now):
            m.d.sync += word.eq(config.frame_bytes)
        with m.If(summed_now):
            m.d.sync += word.eq(crc)

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += opening.eq(1)
                m.d.sync += [
                    status.eq(Status.OK), length.eq(1), answering.eq(0), nak.eq(0),
                    position.eq(0), asked.eq(0), index.eq(0), place.eq(0), turn.eq(0), count.eq(0),
                    far.eq(0), many.eq(0),
                ]
                with m.If(nak_due):
                    m.d.sync += [nak_due.eq(0), nak.eq(1)]
                    m.next = "Header"
                with m.Elif(frame.valid):
                    repeated = answered & (request.sequence == (expected - 1)[:8])
                    with m.If((request.operation == Operation.SYNC) | (request.sequence == expected) | repeated):
                        m.d.sync += [expected.eq(request.sequence + 1), answered.eq(1), asked.eq(1)]
                        m.next = "Dispatch"
                    with m.Else():
                        m.d.comb += frame.take.eq(1)
                        m.d.sync += nak_due.eq(1)
            with m.State("Dispatch"):
                m.d.comb += [opened.eq(1), sync.eq(1)]
                with m.Switch(request.operation):
                    with m.Case(Operation.SYNC):
                        m.d.sync += [end.eq(1), count.eq(1), length.eq(3)]
                        m.next = "Header"
                        with m.If(request.length != 0):
                            refuse(Status.BAD_LENGTH)
                    for operation, needed in _SUBJECT_BYTES.items():
                        with m.Case(operation):
                            m.d.sync += end.eq(needed - 1)
                            m.next = "Subject"
                            with m.If(request.length < needed if operation in _OPEN else request.length != needed):
                                refuse(Status.BAD_LENGTH)
                    with m.Default():
                        refuse(Status.BAD_OPERATION)

            # What and where: READ, WRITE, CHECKSUM; which run: START, FINISH.
            with m.State("Subject"):
                with m.Switch(position):
                    with m.Case(0):
                        m.d.sync += region.eq(byte)
                    for n in range(3):
                        with m.Case(1 + n):
                            take(place[8 * n:8 * n + 8], byte[:RUN_BIT - 8 * n], far)
                    for n in range(4):
                        with m.Case(4 + n):
                            take(count[8 * n:8 * n + 8], byte, many)
                with m.If(position == 3):
                    m.d.sync += turn.eq(byte[-len(turn):])
                m.d.comb += advance.eq(1)
                with m.If(position == end):
                    m.next = "Region"
                    with m.If(request.operation == Operation.START):
                        m.next = "Begin"
                    with m.Elif(request.operation == Operation.FINISH):
                        m.next = "Await"
            bytes_left = Signal(range(config.frame_bytes + 1))
            limit = Signal(range(max(depth(each, config) for each in Region) + 1))
            too_far = Signal()
            with m.State("Region"):
                writing = request.operation == Operation.WRITE
                m.next = "Measure"
                with m.If(writing):
                    m.d.sync += [bytes_left.eq(request.length - _SUBJECT_BYTES[Operation.WRITE]), count.eq(0)]
                with m.Elif(request.operation == Operation.READ):
                    m.d.sync += [bytes_left.eq(count), length.eq(count + 1), count.eq(0)]
                with m.Else():
                    m.d.sync += bytes_left.eq(0)
                with m.Switch(region):
                    for each in Region:
                        with m.Case(each):
                            m.d.sync += [end.eq(word_bytes(each, config) - 1), limit.eq(depth(each, config))]
                            if each in (Region.RESULTS, Region.INPUT, Region.CODED_WEIGHTS, Region.WEIGHT_STREAM):
                                with m.If(writing == (each == Region.RESULTS)):
                                    refuse(Status.BAD_ADDRESS)
                    with m.Default():
                        refuse(Status.BAD_ADDRESS)
                with m.If((request.operation == Operation.READ) & (many | (count >= config.frame_bytes))):
                    refuse(Status.BAD_LENGTH)
            with m.State("Measure"):
                with m.If(bus.busy & ~image & ~weights & (region != Region.REGISTERS)):
                    m.next = "Measure"
                with m.Elif(bytes_left > end):
                    m.d.sync += bytes_left.eq(bytes_left + ~Cat(end, Const(0, len(bytes_left) - len(end))))
                    m.d.comb += up.eq(1)
                with m.Else():
                    m.next = "Reach"
            with m.State("Reach"):
                whole = Cat(place, turn) if deepest > RUN_BIT else place
                reached = Mux(image | weights, place, whole) + count
                foreign = 0 if deepest > RUN_BIT else turn.any() & ~(image | weights)
                with m.If((bytes_left != 0) | ((count == 0) & ~many)):
                    refuse(Status.BAD_LENGTH)
                with m.Else():
                    m.d.sync += too_far.eq((reached > limit) | far | many | foreign)
                    m.next = "Judge"
            with m.State("Judge"):
                with m.If(too_far):
                    refuse(Status.BAD_ADDRESS)
                with m.Else():
                    with m.Switch(request.operation):
                        with m.Case(Operation.WRITE):
                            m.next = "Collect"
                        with m.Case(Operation.READ):
                            m.next = "Header"
                        with m.Default():
                            m.next = "Fetch"

            # Payload to words.
            with m.State("Collect"):
                m.d.sync += index.eq(index + 1)
                m.d.comb += [advance.eq(1), put.eq(1)]
                with m.If(last_byte):
                    m.next = "Put" if late else "Write"
            if late:
                with m.State("Put"):
                    m.next = "Write"
            with m.State("Write"):
                ignored = (image | weights) & ~due
                m.d.comb += bus.write_enable.eq(~ignored & ~(image & bus.pending))
                with m.If((bus.write_enable & bus.ready) | ignored):
                    m.d.sync += index.eq(0)
                    next_word()
                    m.next = "Collect"
                    with m.If(last_word):
                        m.next = "Header"
                        with m.If(request.operation == Operation.START):
                            m.next = "Start"

            # START.
            with m.State("Begin"):
                with m.If(~bus.loaded):
                    refuse(Status.NO_NETWORK)
                with m.Elif(request.length > depth(Region.INPUT, config) + _SUBJECT_BYTES[Operation.START]):
                    refuse(Status.BAD_ADDRESS)
                with m.Elif(run != following):      # begun before
                    m.next = "Header"
                with m.Elif(~bus.pending):
                    work_on(Region.INPUT, following, request.length - _SUBJECT_BYTES[Operation.START])
                    m.next = "Collect"
                    with m.If(request.length == _SUBJECT_BYTES[Operation.START]):
                        m.next = "Start"
            with m.State("Start"):
                m.d.comb += bus.start.eq(1)
                m.d.sync += bus.run.eq(following)
                m.next = "Header"

            # FINISH.
            with m.State("Await"):
                with m.If(~bus.loaded):
                    refuse(Status.NO_NETWORK)
                with m.Elif(age >= RUNS_KEPT):
                    refuse(Status.BAD_RUN)
                with m.Elif(bus.result_count > most_results(config)):
                    refuse(Status.BAD_LENGTH)
                with m.Elif(~(((age == 0) & bus.busy) | ((age == 1) & bus.pending))):
                    words = bus.result_count + RESULT_HEADER
                    work_on(Region.RESULTS, 0, words)
                    m.d.sync += [result_run.eq(run), length.eq((words << 1) + 1)]
                    m.next = "Header"

            # Words to the answer, or to the checksum before it.
            with m.State("Fetch"):
                m.d.comb += bus.read_enable.eq(1)
                m.d.sync += index.eq(0)
                m.next = "Wait"
            for state, state_after in read_waits(platform):
                with m.State(state):
                    m.d.comb += arriving.eq(state_after == "Latch")
                    m.next = state_after
            with m.State("Latch"):
                m.next = "Bytes"
            with m.State("Bytes"):
                m.d.comb += [payload.payload.eq(word), payload.valid.eq(1), self.absorb.eq(~answering)]
                with m.If(payload.ready):
                    m.d.comb += move.eq(1)
                    m.d.sync += index.eq(index + 1)
                    if late:
                        m.next = "Move"
                    with m.If(last_byte):
                        next_word()
                        m.next = "Fetch"
                        with m.If(last_word):
                            m.next = "Next"
            if late:
                with m.State("Move"):
                    m.next = "Bytes"
            with m.State("Next"):
                m.next = "Done"
                with m.If(~answering):
                    m.d.comb += [self.clear.eq(1), summed.eq(1)]
                    m.d.sync += [end.eq(3), count.eq(1), index.eq(0), length.eq(5)]
                    m.next = "Header"

            # The answer.
            with m.State("Header"):
                m.d.comb += self.header.valid.eq(1)
                m.d.sync += answering.eq(1)
                with m.If(self.header.ready):
                    m.next = "Status"
            with m.State("Status"):
                m.d.comb += [payload.payload.eq(status), payload.valid.eq(1)]
                with m.If(payload.ready):
                    m.next = "Done"
                    with m.If(length != 1):
                        m.next = "Bytes"
                        with m.If((request.operation == Operation.READ) | (request.operation == Operation.FINISH)):
                            m.next = "Fetch"
            with m.State("Done"):
                m.d.comb += frame.take.eq(~nak)
                m.next = "Idle"

        with m.If(self.bad):
            m.d.sync += nak_due.eq(1)
        return m
