from nomul.gen.spec.frames import END, Operation
from nomul.gen.spec.registers import MAGIC, Region
from nomul.sw.driver.device_model import DeviceModel
from nomul.sw.driver.spi_link import SpiLink
from nomul.sw.driver.transport import Transport

from .faults import FaultyLink
from .hardware import small_config

CONFIG = small_config()
REGISTERS = bytes([Region.REGISTERS, 0, 0, 0, 4, 0])


class Bus:
    """The device's end of an SPI bus: speaks as many bytes as it hears, the next ones or END."""

    def __init__(self, speaks=b""):
        self.speaks, self.transfers, self.seconds = bytearray(speaks), [], 0.0

    def transfer(self, data):
        self.transfers.append(data)
        self.seconds += len(data) * 1e-6
        said = bytes(self.speaks[:len(data)])
        del self.speaks[:len(data)]
        return said + bytes([END]) * (len(data) - len(said))


def test_what_comes_while_the_host_speaks_is_kept():
    bus = Bus(b"\x01\x02\x03")
    link = SpiLink(bus.transfer)
    link.write(b"ab")
    assert link.read(0) == b"\x01\x02"
    assert link.read(0) == b"\x03" + bytes([END])
    assert bus.transfers[0] == b"ab"
    assert set(bus.transfers[1]) == {END}


def test_silence_is_no_byte_and_ends_after_the_timeout():
    bus = Bus()
    link = SpiLink(bus.transfer, clock=lambda: bus.seconds)
    assert link.read(0.001) == b""
    assert 0.001 <= bus.seconds < 0.0012


def test_ends_between_frames_are_one():
    bus = Bus(bytes([END, END, 1, END, END, END, 2, 3, END]))
    link, read = SpiLink(bus.transfer), b""
    while len(read) < 5:
        read += link.read(1.0)
    assert read == bytes([1, END, 2, 3, END])


def test_long_writes_are_several_transfers():
    bus = Bus()
    SpiLink(bus.transfer).write(bytes(10_000))
    assert [len(data) for data in bus.transfers] == [4096, 4096, 1808]


class DeviceBus(Bus):
    """A device of plain Python at the bus."""

    def __init__(self):
        super().__init__()
        self._device = DeviceModel(CONFIG, lambda memories: ([], 0))

    def transfer(self, data):
        said = super().transfer(data)
        self._device.write(data)
        self.speaks += self._device.read(0)
        return said


def test_requests_are_answered():
    transport = Transport(SpiLink(DeviceBus().transfer))
    assert transport.request(Operation.READ, REGISTERS) == MAGIC.to_bytes(4, "little")


def test_requests_are_answered_over_a_bus_that_damages_bytes():
    bus = DeviceBus()
    link = FaultyLink(SpiLink(bus.transfer, clock=lambda: bus.seconds), 1e-2, seed=1)
    transport = Transport(link, timeout=0.01, tries=50)
    for _ in range(200):
        assert transport.request(Operation.READ, REGISTERS) == MAGIC.to_bytes(4, "little")
    assert link.faults > 20


def test_close_ends_the_use_of_the_bus():
    closed = []
    SpiLink(Bus().transfer, close=lambda: closed.append(True)).close()
    assert closed == [True]
