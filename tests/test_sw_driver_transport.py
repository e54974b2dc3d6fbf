import random

import pytest

from nomul.gen.spec.frames import ANSWER, END, Operation, Status, decode, encode
from nomul.gen.spec.registers import Region
from nomul.sw.driver.device_model import DeviceModel
from nomul.sw.driver.link import LinkError
from nomul.sw.driver.transport import RefusedError, Request, Transport

from .faults import FaultyLink
from .hardware import small_config

CONFIG = small_config()


def device():
    return DeviceModel(CONFIG, lambda memories: ([sum(memories[Region.INPUT]) & 0x7FFF], 9))


def write(address, *words):
    return Request(Operation.WRITE, bytes([Region.PROGRAM]) + address.to_bytes(3, "little")
                   + b"".join(word.to_bytes(4, "little") for word in words))


def read(address, words):
    return Request(Operation.READ, bytes([Region.PROGRAM]) + address.to_bytes(3, "little")
                   + (4 * words).to_bytes(2, "little"))


class Recorder:
    """Counts what is under way, and can lose answers by number."""

    def __init__(self, link, lose=()):
        self._link, self._lose = link, set(lose)
        self.frames, self.answers, self._held = [], 0, []

    def write(self, data):
        self.frames += [decode(line) for line in data.split(bytes([END])) if line]
        self._link.write(data)

    def read(self, timeout):
        self._held += [line for line in self._link.read(timeout).split(bytes([END])) if line]
        while self._held:
            self.answers += 1
            line = self._held.pop(0)
            if self.answers not in self._lose:
                return line + bytes([END])
        return b""

    def close(self):
        pass


def test_first_request_is_a_sync_and_numbers_follow_it():
    link = Recorder(device())
    transport = Transport(link)
    assert transport.request(*read(0, 1)) == bytes(4)
    assert transport.frame_bytes == 64
    (first, operation, _), (second, _, _) = link.frames
    assert operation == Operation.SYNC
    assert second == (first + 1) % 256


def test_more_requests_than_sequence_numbers_are_answered_in_order():
    transport = Transport(device(), window=4)
    list(transport.exchange([write(n, n * 7)] for n in range(100)))
    assert [answer for [answer] in transport.exchange([read(n % 100, 1)] for n in range(600))] \
        == [(n % 100 * 7).to_bytes(4, "little") for n in range(600)]


@pytest.mark.parametrize("window", [1, 3, 4])
def test_window_is_used_and_never_exceeded(window):
    class Lazy(DeviceModel):
        """Looks at a request only when somebody waits for an answer."""

        queue, most = b"", 0

        def write(self, data):
            self.queue += data.lstrip(bytes([END]))
            self.most = max(self.most, self.queue.count(END))

        def read(self, timeout):
            end = self.queue.find(END) + 1
            super().write(self.queue[:end])
            self.queue = self.queue[end:]
            return super().read(timeout) if end else b""

    link = Lazy(CONFIG, lambda memories: ([], 0))
    transport = Transport(link, window=window)
    transport.synchronize()
    link.queue, link.most = b"", 0
    assert len(list(transport.exchange([read(n, 1)] for n in range(30)))) == 30
    assert link.most == window


def test_bytes_under_way_fit_into_the_buffer_of_the_device():
    sizes = []

    class Measured(Recorder):
        def write(self, data):
            sizes.append(len(data))
            super().write(data)

        def read(self, timeout):
            sizes.clear()
            return super().read(timeout)

    link = Measured(device())
    most = 0
    transport = Transport(link, window=4)
    for _ in transport.exchange([write(n, *[END * 0x01010101] * 15)] for n in range(20)):
        most = max(most, sum(sizes[1:]))
    assert most <= 2 * CONFIG.frame_bytes


@pytest.mark.parametrize("lost", [(1,), (2,), (3,), (4,), (5,), (2, 6), (2, 3, 4, 5, 6, 7)])
def test_lost_answers_are_asked_for_again(lost):
    link = Recorder(device(), lost)
    requests = [[write(0, 5)], [read(0, 1)], [write(1, 6)], [read(0, 2)]]
    assert list(Transport(link).exchange(requests)) == [
        [b""], [b"\5\0\0\0"], [b""], [b"\5\0\0\0\6\0\0\0"]]


def test_group_is_sent_again_from_its_beginning():
    link = Recorder(device(), lose={4})     # SYNC, two answers, then the third request's is lost
    group = [write(0, 1), write(1, 2), read(0, 2)]
    assert list(Transport(link).exchange([group])) == [[b"", b"", b"\1\0\0\0\2\0\0\0"]]
    operations = [operation for _, operation, _ in link.frames]
    once = [Operation.SYNC, Operation.WRITE, Operation.WRITE, Operation.READ]
    assert operations == once + once


def test_refusal_is_an_error_that_names_request_and_reason():
    transport = Transport(device())
    with pytest.raises(RefusedError, match=r"^the board refused WRITE: BAD_ADDRESS$") as caught:
        transport.request(*write(1 << 20, 1))
    assert caught.value.status == Status.BAD_ADDRESS
    assert transport.request(*read(0, 1)) == bytes(4)


def test_requests_left_under_way_do_not_disturb_later_ones():
    transport = Transport(device())
    answers = transport.exchange([write(n, n)] for n in range(20))
    next(answers)
    answers.close()
    assert transport.request(*read(3, 1)) == b"\3\0\0\0"


def test_payload_longer_than_a_frame_is_refused_before_it_is_sent():
    link = Recorder(device())
    with pytest.raises(LinkError, match="payload of 65 bytes is longer than the 64 bytes"):
        Transport(link).request(Operation.START, bytes(65))
    assert len(link.frames) == 1


class Silence:
    def __init__(self, noise=b""):
        self.reads, self._noise = 0, noise

    def write(self, data):
        pass

    def read(self, timeout):
        self.reads += 1
        return self._noise


def test_silence_ends_in_one_line_that_says_what_to_do():
    link = Silence()
    with pytest.raises(LinkError) as caught:
        Transport(link, timeout=0.5, tries=3).request(Operation.SYNC)
    assert str(caught.value) == ("no answer from the board after 3 tries of 0.5 s: is it powered, programmed with a "
                                 "nomul bitstream, and the baud rate right?")
    assert link.reads == 3


@pytest.mark.parametrize("noise", [bytes([END]) * 1000, b"x" * 1000, encode(0, Operation.NAK | ANSWER, b"\0")])
def test_endless_noise_ends_in_an_error(noise):
    with pytest.raises(LinkError, match="something answers, but not as a nomul accelerator"):
        Transport(Silence(noise), tries=2).request(Operation.SYNC)


def test_device_that_answers_sync_only_is_given_up():
    class Deaf(DeviceModel):
        def write(self, data):
            if decode(data.strip(bytes([END])))[1] == Operation.SYNC:
                super().write(data)

    with pytest.raises(LinkError, match="READ failed 4 times, last because of silence of 2 s: check the cable"):
        Transport(Deaf(CONFIG, lambda memories: ([], 0)), timeout=2, tries=4).request(*read(0, 1))


@pytest.mark.parametrize(("options", "message"), [
    ({"window": 0}, "window must be 1 to 4, not 0"), ({"window": 5}, "window must be 1 to 4, not 5"),
    ({"tries": 0}, "tries must be at least 1, not 0")])
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Transport(device(), **options)


@pytest.mark.parametrize("seed", range(12))
def test_with_faults_every_answer_is_right_or_there_is_an_error(seed):
    random.seed(seed)
    dice = random.Random(seed)
    model = device()
    link = FaultyLink(model, [0.0005, 0.002, 0.01, 0.05][seed % 4], seed)
    transport = Transport(link, window=1 + seed % 4)
    words = [dice.getrandbits(32) for _ in range(60)]
    asked = [[write(n, *words[n:n + 5])] for n in range(0, 60, 5)] + [[read(n, 6)] for n in range(0, 60, 6)]
    right = [b""] * 12 + [b"".join(word.to_bytes(4, "little") for word in words[n:n + 6]) for n in range(0, 60, 6)]
    outcomes = []
    for _ in range(10):
        answers = []
        try:
            for [answer] in transport.exchange(asked):
                answers.append(answer)
            outcomes.append("right")
        except LinkError:
            outcomes.append("error")
        assert answers == right[:len(answers)]
        held = [int.from_bytes(model.memories[Region.PROGRAM][4 * n:4 * n + 4], "little") for n in range(60)]
        assert all(word in (0, words[n]) for n, word in enumerate(held))
    assert link.faults > 0
    if link.rate <= 0.002:
        assert outcomes == ["right"] * 10
