# amaranth: UnusedElaboratable=no
import random
import re
import sys
import zlib
from dataclasses import replace

import pytest
from amaranth.back import rtlil

from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import ANSWER, END, Operation, Status, decode, encode
from nomul.gen.spec.registers import Region, address_of, depth, word_bytes
from nomul.hdl.fabric import Fabric
from nomul.hdl.link import HostLink
from nomul.hdl.sim import simulate, stream_get, stream_put
from nomul.sw.driver.device_model import DeviceModel

# Words of 3, 5 and 4 bytes in WEIGHTS, PARAMETERS and ACTIVATIONS.
CONFIG = Config(name="test", lanes=4, columns=2, operators=("l1",), activation_bits=8, l1_weight_bits=6,
                accumulator_bits=23, program_layers=1, weight_words=24, parameter_words=9, activation_words=20,
                image_bytes=80, result_words=8, frame_bytes=64)
NAK = (Operation.NAK | ANSWER, b"\0")
OK = bytes([Status.OK])
#: How long the stand-in for the core is at work: longer than the link needs for a short request.
RUN_CYCLES = 400


def results_of(image):
    """A stand-in for the network: results from the image's bytes."""
    return [(sum(image) * (n + 3) & 0xFFFF) - 0x8000 for n in range(3)]


def model():
    return DeviceModel(CONFIG, lambda memories: (results_of(memories[Region.INPUT]), 17))


class Device:
    """The link's gateware in front of memories that are Python dictionaries."""

    def __init__(self, line, stall=0.0):
        self.memory = {}            # (region, address): word
        self.kept = [{} for _ in range(4)]  # result words of the last runs
        self.writes = 0
        self.bad_frames = 0
        self.starts = 0
        self.answers = bytearray()
        dut = HostLink(CONFIG)
        bus = dut.bus

        async def put(ctx):
            await stream_put(ctx, dut.rx, line, stall=stall, seed=1)
            quiet = 0
            while quiet < 2 * RUN_CYCLES + 400:
                length = len(self.answers)
                await ctx.tick()
                quiet = quiet + 1 if length == len(self.answers) else 0

        async def get(ctx):
            seed = 2
            while True:
                seed += 1
                self.answers += bytes(await stream_get(ctx, dut.tx, 1, stall=stall, seed=seed))

        async def respond(ctx):
            delayed, busy, pending, at_work, words = (0, 0), 0, False, 0, []
            while True:
                _, _, region, address, write, data, read, start, bad, run, result_run, ready = await ctx.tick().sample(
                    bus.region, bus.address, bus.write_enable, bus.write_data, bus.read_enable, bus.start,
                    bus.bad_frame, bus.run, bus.result_run, bus.ready)
                write &= ready
                if write or read:
                    self._check_access(region, result_run, run, busy, pending)
                if write:
                    self.writes += 1
                    data %= 1 << 8 * word_bytes(Region(region), CONFIG)     # nobody looks at the bits above
                    assert region != Region.INPUT or address >> 20 == (run + 1) % 16
                    self.memory[region, address & 0xFFFFF] = data
                word = self.kept[result_run].get(address, 0) if region == Region.RESULTS \
                    else self.memory.get((region, address), 0)
                delayed = (delayed[1], word if read else random.getrandbits(32))
                ctx.set(bus.read_data, delayed[0])
                self.bad_frames += bad
                if busy == 1:
                    self.kept[at_work % 4] |= dict(enumerate(words))
                busy = max(busy - 1, 0)
                if start:
                    assert not pending, "a start while another waits"
                    pending = True
                    self.starts += 1
                if pending and not busy:
                    pending, busy, at_work, words = False, RUN_CYCLES, ctx.get(bus.run), self._results()
                ctx.set(bus.busy, busy > 0 or pending)
                ctx.set(bus.pending, pending)
                ctx.set(bus.ready, random.random() < 0.7)
                ctx.set(bus.result_count, min(self.register("RESULT_COUNT"), CONFIG.result_words + 1))
                ctx.set(bus.loaded, any(self.register(name) for name in ("NETWORK_LOW", "NETWORK_HIGH")))

        simulate(dut, put, background=[get, respond])

    def register(self, name):
        return self.memory.get((Region.REGISTERS, address_of(name)), 0)

    @staticmethod
    def _check_access(region, result_run, run, busy, pending):
        """What `HostBus` says of accesses while a run is pending or at work."""
        if region == Region.RESULTS:
            unfinished = ([run] if pending or busy else []) + ([run - 1] if pending and busy else [])
            assert result_run not in [number % 4 for number in unfinished], "results of a run that has not ended"
        elif region != Region.REGISTERS:
            assert not pending, "an access while a run is pending"
            assert region == Region.INPUT or not busy, "an access while a run is at work"

    def _results(self):
        results = results_of([self.memory.get((Region.INPUT, n), 0) for n in range(depth(Region.INPUT, CONFIG))])
        return [17, 0, results.index(max(results)), *(value & 0xFFFF for value in results)]

    def bytes_of(self, region):
        size = word_bytes(region, CONFIG)
        if region == Region.RESULTS:    # of the run that has been started last
            words = self.kept[self.starts % 4]
            return b"".join(words.get(n, 0).to_bytes(size, "little") for n in range(depth(region, CONFIG)))
        return b"".join(self.memory.get((region, n), 0).to_bytes(size, "little") for n in range(depth(region, CONFIG)))


def frames_of(answers):
    return [decode(line) for line in bytes(answers).split(bytes([END])) if line]


def ask(*requests, stall=0.0):
    """Answers (operation, payload) to requests (operation, payload) after a SYNC, and the device."""
    line = encode(99, Operation.SYNC) + b"".join(
        encode(100 + n, operation, payload) for n, (operation, payload) in enumerate(requests))
    device = Device(line, stall)
    (_, _, sync), *answers = frames_of(device.answers)
    assert sync == OK + CONFIG.frame_bytes.to_bytes(2, "little")
    assert [sequence for sequence, _, _ in answers] == [100 + n for n in range(len(requests))]
    assert [answer for _, answer, _ in answers] == [operation | ANSWER for operation, _ in requests]
    return [payload for _, _, payload in answers], device


def subject(region, address):
    return bytes([region]) + address.to_bytes(3, "little")


def write(region, address, content):
    return Operation.WRITE, subject(region, address) + content


def read(region, address, count):
    return Operation.READ, subject(region, address) + count.to_bytes(2, "little")


def checksum(region, address, words):
    return Operation.CHECKSUM, subject(region, address) + words.to_bytes(4, "little")


def register(name, value):
    return write(Region.REGISTERS, address_of(name), value.to_bytes(4, "little"))


MEMORIES = [Region.PROGRAM, Region.WEIGHTS, Region.PARAMETERS, Region.ACTIVATIONS]


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("region", MEMORIES)
def test_words_written_are_read_back_and_checked(region, stall):
    size = word_bytes(region, CONFIG)
    content = random.Random(region).randbytes(3 * size)
    last = depth(region, CONFIG) - 3
    answers, device = ask(write(region, last, content), read(region, last + 1, 2 * size), checksum(region, last, 3),
                          read(region, last - 1, size), stall=stall)
    assert answers == [OK, OK + content[size:], OK + zlib.crc32(content).to_bytes(4, "little"), OK + bytes(size)]
    assert device.bytes_of(region) == bytes(last * size) + content
    assert device.writes == 3


def test_writes_outside_a_region_change_nothing():
    requests = []
    for region in (Region.REGISTERS, *MEMORIES, Region.INPUT):
        size = word_bytes(region, CONFIG)
        requests += [write(region, depth(region, CONFIG) - 1, bytes(2 * size)), write(region, 0xFFFFFF, bytes(size))]
    requests += [write(Region.CODED_WEIGHTS, 0, b"x"), write(9, 0, b"x"), write(255, 0, b"x"),
                 write(Region.WEIGHT_STREAM, 0, bytes(word_bytes(Region.WEIGHT_STREAM, CONFIG)))]
    answers, device = ask(*requests)
    assert answers == [bytes([Status.BAD_ADDRESS])] * len(requests)
    assert device.writes == 0


REFUSED = [
    (write(Region.RESULTS, 0, b"ab"), Status.BAD_ADDRESS),
    (read(Region.INPUT, 0, 1), Status.BAD_ADDRESS),
    (checksum(Region.INPUT, 0, 1), Status.BAD_ADDRESS),
    (read(Region.WEIGHTS, 23, 6), Status.BAD_ADDRESS),
    (checksum(Region.WEIGHTS, 0, 25), Status.BAD_ADDRESS),
    (checksum(Region.WEIGHTS, 1, 0xFFFFFFFF), Status.BAD_ADDRESS),
    (write(Region.WEIGHTS, 0, b""), Status.BAD_LENGTH),
    (write(Region.WEIGHTS, 0, b"abcd"), Status.BAD_LENGTH),
    (write(Region.PARAMETERS, 0, b"abcdef"), Status.BAD_LENGTH),
    ((Operation.WRITE, b"abc"), Status.BAD_LENGTH),
    ((Operation.READ, b"abc"), Status.BAD_LENGTH),
    (read(Region.WEIGHTS, 0, 0), Status.BAD_LENGTH),
    (read(Region.WEIGHTS, 0, 4), Status.BAD_LENGTH),
    (read(Region.WEIGHTS, 0, CONFIG.frame_bytes), Status.BAD_LENGTH),
    (read(Region.PROGRAM, 0, 0xFFFF), Status.BAD_LENGTH),
    (checksum(Region.WEIGHTS, 0, 0), Status.BAD_LENGTH),
    ((Operation.CHECKSUM, bytes(7)), Status.BAD_LENGTH),
    ((9, b""), Status.BAD_OPERATION),
    ((Operation.START, b""), Status.BAD_LENGTH),
    ((Operation.FINISH, b""), Status.BAD_LENGTH),
    ((Operation.FINISH, b"ab"), Status.BAD_LENGTH),
    ((Operation.START, b"\1image"), Status.NO_NETWORK),
    ((Operation.FINISH, b"\0"), Status.NO_NETWORK),
]


def test_impossible_requests_are_refused_and_write_nothing():
    answers, device = ask(*(request for request, _ in REFUSED))
    assert [(request, Status(answer[0])) for (request, _), answer in zip(REFUSED, answers, strict=True)] == REFUSED
    assert {len(answer) for answer in answers} == {1}
    assert device.writes == device.starts == 0


def start(run, image=b""):
    return Operation.START, bytes([run]) + image


def finish(run):
    return Operation.FINISH, bytes([run])


def input_write(run, address, content):
    return write(Region.INPUT, run << 20 | address, content)


def answer_of(image, count):
    results = results_of(image)
    return OK + (17).to_bytes(4, "little") + results.index(max(results)).to_bytes(2, "little") \
        + b"".join(value.to_bytes(2, "little", signed=True) for value in results[:count])


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_finish_answers_cycles_top_and_results(stall):
    image = bytes(range(50))
    answers, device = ask(register("NETWORK_HIGH", 5), register("RESULT_COUNT", 3), start(1, image), finish(1),
                          stall=stall)
    assert answers[2:] == [OK, answer_of(image, 3)]
    assert device.bytes_of(Region.INPUT) == image + bytes(30)
    assert device.starts == 1


def test_start_without_an_image_takes_the_one_that_was_written_in_pieces():
    image = random.Random(1).randbytes(80)
    answers, device = ask(register("NETWORK_LOW", 1), register("RESULT_COUNT", 1), input_write(1, 0, image[:50]),
                          input_write(1, 50, image[50:]), start(1), finish(1))
    assert device.bytes_of(Region.INPUT) == image
    assert answers[-1] == answer_of(image, 1)


def test_finish_with_no_results_to_report_answers_cycles_and_top():
    answers, _ = ask(register("NETWORK_LOW", 1), start(1, b"\1"), finish(1))
    assert answers[-1] == OK + (17).to_bytes(4, "little") + (2).to_bytes(2, "little")


@pytest.mark.parametrize("count", [9, 1 << 31])
def test_finish_with_more_results_than_there_are_is_refused(count):
    answers, _ = ask(register("NETWORK_LOW", 1), register("RESULT_COUNT", count), start(1, b"abc"), finish(1))
    assert answers[-2:] == [OK, bytes([Status.BAD_LENGTH])]


def test_an_image_longer_than_its_memory_is_refused_before_it_is_written(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "CONFIG", replace(CONFIG, image_bytes=62))
    answers, device = ask(register("NETWORK_LOW", 1), start(1, bytes(63)))
    assert answers[-1] == bytes([Status.BAD_ADDRESS])
    assert device.starts == 0
    assert device.bytes_of(Region.INPUT) == bytes(62)


@pytest.mark.parametrize("stall", [0.0, 0.2])
def test_results_of_a_run_are_fetched_while_the_next_is_at_work_and_one_more_waits(stall):
    images = [random.Random(n).randbytes(20) for n in range(1, 20)]
    requests = [register("NETWORK_LOW", 1), register("RESULT_COUNT", 3), start(1, images[0])]
    for run in range(2, 20):    # past number 15
        requests += [input_write(run % 16, 0, images[run - 1]), start(run % 16), finish((run - 1) % 16)]
    answers, device = ask(*requests, finish(19 % 16), stall=stall)
    assert answers[5::3] + answers[-1:] == [answer_of(image, 3) for image in images]
    assert device.starts == 19


def test_only_the_results_of_the_last_four_runs_are_there():
    asked = [finish(run) for run in (5, 4, 3, 2, 1, 0, 6, 15)]
    answers, _ = ask(register("NETWORK_LOW", 1), register("RESULT_COUNT", 3),
                     *(start(run, bytes([run])) for run in range(1, 6)), *asked)
    bad = bytes([Status.BAD_RUN])
    assert answers[7:] == [*(answer_of(bytes([run]), 3) for run in (5, 4, 3, 2)), *[bad] * 4]


def test_a_start_and_an_image_of_another_run_than_the_next_change_nothing():
    answers, device = ask(register("NETWORK_LOW", 1), register("RESULT_COUNT", 3), start(1, b"abc"), start(1, b"xyz"),
                          start(0, b"xyz"), start(3, b"xyz"), input_write(1, 0, b"xyz"), input_write(4, 0, b"xyz"),
                          finish(1))
    assert answers[2:] == [*[OK] * 6, answer_of(b"abc", 3)]
    assert device.starts == 1
    assert device.bytes_of(Region.INPUT) == b"abc" + bytes(77)


def test_memories_are_left_alone_until_all_runs_have_ended():
    # `Device` asserts that no access comes while a run is at work.
    answers, device = ask(register("NETWORK_LOW", 1), start(1, b"abc"), start(2, b"abcd"),
                          write(Region.WEIGHTS, 0, b"xyz"), read(Region.WEIGHTS, 0, 3), start(3, b"a"),
                          checksum(Region.WEIGHTS, 0, 1), start(4, b"a"), read(Region.RESULTS, 0, 2))
    assert answers[3:] == [OK, OK + b"xyz", OK, OK + zlib.crc32(b"xyz").to_bytes(4, "little"), OK, OK + b"\x11\0"]
    assert device.starts == 4


def test_only_sync_moves_the_expected_number_and_the_last_request_may_be_repeated():
    first, second = (encode(n, *write(Region.WEIGHTS, n, bytes([n] * 3))) for n in (8, 9))
    device = Device(first + encode(7, Operation.SYNC) + second + first + second + second + first
                    + encode(20, Operation.SYNC) + encode(21, *read(Region.WEIGHTS, 8, 6)))
    sync, done = (Operation.SYNC | ANSWER, OK + b"\x40\0"), (Operation.WRITE | ANSWER, OK)
    assert frames_of(device.answers) == [
        (0, *NAK), (7, *sync), (8, *NAK), (8, *done), (9, *done), (9, *done), (10, *NAK),
        (20, *sync), (21, Operation.READ | ANSWER, OK + bytes([8] * 3 + [9] * 3))]
    assert device.writes == 3


def test_a_repeated_start_is_answered_again_but_runs_once():
    first = encode(3, *start(1, b"abc"))
    device = Device(encode(0, Operation.SYNC) + encode(1, *register("NETWORK_LOW", 1))
                    + encode(2, *register("RESULT_COUNT", 3)) + first + first + 2 * encode(4, *finish(1)))
    assert frames_of(device.answers)[3:] == [(3, Operation.START | ANSWER, OK)] * 2 \
        + [(4, Operation.FINISH | ANSWER, answer_of(b"abc", 3))] * 2
    assert device.starts == 1


def test_damaged_frame_is_answered_by_the_number_that_is_expected():
    line = encode(3, Operation.SYNC) + b"garbage" + bytes([END]) + encode(4, *read(Region.WEIGHTS, 0, 3))
    device = Device(line)
    assert frames_of(device.answers)[1:] == [(4, *NAK), (4, Operation.READ | ANSWER, OK + bytes(3))]
    assert device.bad_frames == 1


def test_no_multiplier_hides_in_the_link():
    assert not re.findall(r"\$(?:mul|div|mod|divfloor|modfloor|pow|macc)\b", rtlil.convert(HostLink(CONFIG)))


def random_request(dice):
    region = dice.choice([*MEMORIES, *MEMORIES, Region.RESULTS, Region.INPUT, 7])
    size = word_bytes(Region(region), CONFIG) if region in list(Region) else 1
    address = dice.choice([0, 1, 5, dice.randrange(30)])
    count = dice.choice([size, size, 2 * size, 3 * size, dice.randrange(20)])
    match dice.randrange(7):
        case 0:
            return read(region, address, count)
        case 1:
            return checksum(region, address, dice.randrange(1, 12))
        case 2:
            return start(dice.randrange(6), dice.randbytes(dice.choice([0, 5, 63])))
        case 3:
            return finish(dice.randrange(6))
        case _:
            return write(region, address | (dice.randrange(4) << 20 if region == Region.INPUT else 0),
                         dice.randbytes(count))


@pytest.mark.parametrize("seed", range(8))
def test_line_with_faults_is_answered_as_the_model_answers_it(seed, monkeypatch):
    """The gateware and the plain-Python device differ in nothing but the number of consecutive NAKs.

    For odd seeds there is a register behind the frame's memory.
    """
    monkeypatch.setattr(Fabric, "late_memories", bool(seed % 2))
    dice = random.Random(seed)
    line = bytearray()
    if seed % 2:
        line += dice.randbytes(30)
    requests = [(Operation.SYNC, b""), register("NETWORK_LOW", 1), register("RESULT_COUNT", 2)]
    requests += [random_request(dice) for _ in range(25)]
    for n, (operation, payload) in enumerate(requests):
        frame = encode(200 + n, operation, payload)
        if n > 2 and dice.random() < 0.2:
            place = dice.randrange(len(frame))
            fault = dice.randrange(5)
            frame = [
                frame[:place] + bytes([frame[place] ^ 1 << dice.randrange(8)]) + frame[place + 1:],
                frame[:place] + frame[place + 1:],
                frame[:place] + frame[place:place + 1] + frame[place:],
                frame[:place],
                frame + frame,
            ][fault]
            line += frame + bytes([END])
            if fault != 4:      # as a host does that was told
                frame = encode(200 + n, operation, payload)
            else:
                continue
        line += frame
    line += bytes([END])
    device, reference = Device(line, stall=0.1 * (seed % 3)), model()
    reference.write(bytes(line))

    def merged(frames):
        return [frame for n, frame in enumerate(frames) if n == 0 or frame != frames[n - 1] or frame[1:] != NAK]

    assert merged(frames_of(device.answers)) == merged(frames_of(reference.read(0)))
    assert device.bad_frames == reference.register("FRAME_ERRORS")
    for region in (*MEMORIES, Region.INPUT, Region.RESULTS):
        assert device.bytes_of(region) == bytes(reference.memories[region])
