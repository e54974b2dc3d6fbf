# amaranth: UnusedElaboratable=no
import random

import pytest

from nomul.hdl.sim import simulate, stream_put
from nomul.hdl.uart import UartReceiver, UartTransmitter

BYTES = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, *random.Random(4).randbytes(14)]


def levels(data, cycles_per_bit, *, gap=0.0, stop=1):
    """Line level at each clock cycle for `data`, with bits of a length that need not be whole."""
    bits = [1] * 3
    for byte in data:
        bits += [0, *(byte >> n & 1 for n in range(8)), stop] + [1] * round(gap)
    bits += [1] * 3
    return [bits[int(cycle / cycles_per_bit)] for cycle in range(int(len(bits) * cycles_per_bit))]


def receive(divisor, line, ready=lambda cycle: True):
    dut = UartReceiver(divisor)
    received = []

    async def run(ctx):
        for cycle, level in enumerate(line):
            ctx.set(dut.rx, level)
            ctx.set(dut.o.ready, ready(cycle))
            _, _, valid, byte = await ctx.tick().sample(dut.o.valid & dut.o.ready, dut.o.payload)
            if valid:
                received.append(byte)

    simulate(dut, run)
    return received


@pytest.mark.parametrize("divisor", [4, 5, 8, 25])
@pytest.mark.parametrize("gap", [0, 2])
def test_bytes_are_received(divisor, gap):
    assert receive(divisor, levels(BYTES, divisor, gap=gap)) == BYTES


@pytest.mark.parametrize("deviation", [-0.02, 0.02])
@pytest.mark.parametrize("divisor", [8, 25, 217])
def test_bytes_are_received_from_a_clock_that_deviates_by_two_percent(divisor, deviation):
    data = BYTES[:600 // divisor]
    assert receive(divisor, levels(data, divisor * (1 + deviation))) == data


def test_byte_without_stop_bit_is_dropped_and_the_next_received():
    line = levels([0x12], 8) + levels([0x34], 8, stop=0) + levels([0x56], 8)
    assert receive(8, line) == [0x12, 0x56]


def test_line_that_stays_low_is_no_byte():
    assert receive(8, levels([0x12], 8) + [0] * 1000 + levels([0x34], 8)) == [0x12, 0x34]


def test_short_low_pulse_is_no_start_bit():
    assert receive(16, [1] * 20 + [0] * 5 + levels([0xA5], 16)) == [0xA5]


def test_byte_is_held_until_taken_and_what_comes_meanwhile_dropped():
    line = levels([1, 2, 3], 8) + levels([4], 8)
    assert receive(8, line, ready=lambda cycle: cycle > 270) == [1, 4]


def transmit(divisor, data, stall):
    dut = UartTransmitter(divisor)
    line = []

    async def put(ctx):
        await stream_put(ctx, dut.i, data, stall=stall, seed=3)
        await ctx.tick().repeat(11 * divisor)

    async def watch(ctx):
        while True:
            line.append(ctx.get(dut.tx))
            await ctx.tick()

    simulate(dut, put, background=[watch])
    return line


def decode(line, divisor):
    """Bytes of a line, by looking at every single cycle of every bit."""
    data, cycle = [], 0
    while 0 in line[cycle:]:
        cycle += line[cycle:].index(0)
        bits = [line[cycle + n * divisor:cycle + (n + 1) * divisor] for n in range(10)]
        assert all(len(set(bit)) == 1 for bit in bits)
        assert (bits[0][0], bits[9][0]) == (0, 1)
        data.append(sum(bit[0] << n for n, bit in enumerate(bits[1:9])))
        cycle += 10 * divisor
    return data


@pytest.mark.parametrize("divisor", [4, 7, 25])
@pytest.mark.parametrize("stall", [0.0, 0.98])
def test_bytes_are_transmitted_bit_by_bit(divisor, stall):
    assert decode(transmit(divisor, BYTES, stall), divisor) == BYTES


def test_transmitter_makes_no_pause_between_bytes():
    line = transmit(4, [0x00] * 5, 0.0)
    assert line[line.index(0):][:200] == ([0] * 36 + [1] * 4) * 5


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
@pytest.mark.parametrize("divisor", [0, 3, 10.5])
def test_divisor_must_be_an_integer_of_at_least_4(component, divisor):
    with pytest.raises(ValueError, match=f"must be an integer of at least 4, not {divisor}"):
        component(divisor)
