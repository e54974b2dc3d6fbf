# amaranth: UnusedElaboratable=no
import random

import pytest
from amaranth.hdl import Elaboratable, Module, signed, unsigned
from amaranth.lib import data

from nomul.hdl.sim import simulate, stream_get, stream_put
from nomul.hdl.stream import Queue, RegisterSlice, WidthConverter, Wires, pipe

STALLS = [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.5, 0.5)]


def through(dut, payloads, expected, stall_in=0.0, stall_out=0.0):
    """Sends payloads through `dut`, checks what comes out, returns the cycles of the output side."""
    cycles = 0

    async def put(ctx):
        await stream_put(ctx, dut.i, payloads, stall=stall_in, seed=1)

    async def get(ctx):
        received = await stream_get(ctx, dut.o, len(expected), stall=stall_out, seed=2)
        assert received == expected

    async def count(ctx):
        nonlocal cycles
        while True:
            await ctx.tick()
            cycles += 1

    simulate(dut, put, get, background=[count], limit=20 * max(len(payloads), len(expected)) + 100)
    return cycles


@pytest.mark.parametrize(("stall_in", "stall_out"), STALLS)
@pytest.mark.parametrize("make", [lambda: Queue(12, 3), lambda: Queue(12, 17), lambda: RegisterSlice(12),
                                  lambda: Chain(Queue(12, 3), Wires(12))])
def test_order_and_values_survive_stalls(make, stall_in, stall_out):
    payloads = [random.Random(5).randrange(1 << 12) for _ in range(200)]
    through(make(), payloads, payloads, stall_in, stall_out)


@pytest.mark.parametrize("make", [lambda: Queue(8, 3), lambda: Queue(8, 16), lambda: RegisterSlice(8)])
def test_one_payload_a_cycle_without_stalls(make):
    payloads = [n & 0xFF for n in range(100)]
    assert through(make(), payloads, payloads) <= len(payloads) + 4


def test_queue_holds_its_depth():
    dut = Queue(8, 5)
    taken = 0

    async def fill(ctx):
        nonlocal taken
        ctx.set(dut.i.valid, 1)
        for _ in range(20):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            taken += ready

    simulate(dut, fill)
    assert taken == 5


def test_register_slice_offers_ready_before_it_knows_the_consumer():
    dut = RegisterSlice(8)
    taken = []

    async def fill(ctx):
        ctx.set(dut.i.valid, 1)
        for n in range(6):
            ctx.set(dut.i.payload, n)
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            taken.append(ready)

    simulate(dut, fill)
    assert taken == [1, 1, 0, 0, 0, 0]


def test_signed_and_struct_payloads_keep_their_shape():
    through(Queue(signed(5), 4), [-16, -1, 0, 15], [-16, -1, 0, 15])
    layout = data.StructLayout({"a": 3, "b": signed(4)})
    values = [{"a": 5, "b": -8}, {"a": 0, "b": 7}]
    through(RegisterSlice(layout), values, [layout.const(value) for value in values])


@pytest.mark.parametrize(("stall_in", "stall_out"), STALLS)
def test_width_converter_joins_little_end_first(stall_in, stall_out):
    payloads = list(range(1, 31))
    expected = [payloads[n] | payloads[n + 1] << 8 | payloads[n + 2] << 16 for n in range(0, 30, 3)]
    through(WidthConverter(8, 24), payloads, expected, stall_in, stall_out)


@pytest.mark.parametrize(("stall_in", "stall_out"), STALLS)
def test_width_converter_cuts_little_end_first(stall_in, stall_out):
    payloads = [0x030201, 0xFFEEDD, 0x000080]
    through(WidthConverter(24, 8), payloads, [1, 2, 3, 0xDD, 0xEE, 0xFF, 0x80, 0, 0], stall_in, stall_out)


def test_width_converter_moves_one_narrow_payload_a_cycle():
    assert through(WidthConverter(4, 16), [1] * 100, [0x1111] * 25) <= 103
    assert through(WidthConverter(16, 4), [0x1111] * 25, [1] * 100) <= 103
    assert through(WidthConverter(4, 4), list(range(16)), list(range(16))) <= 18


@pytest.mark.parametrize("widths", [(8, 12), (0, 8), (8, 0)])
def test_width_converter_wants_multiples(widths):
    with pytest.raises(ValueError, match=f"must be a multiple .*, not {widths[0]} and {widths[1]}$"):
        WidthConverter(*widths)


@pytest.mark.parametrize("depth", [0, 2, 4.0])
def test_queue_wants_a_depth_that_keeps_up(depth):
    with pytest.raises(ValueError, match=f"must be an integer of at least 3, not {depth!r}"):
        Queue(8, depth)


class Chain(Elaboratable):
    def __init__(self, *stages):
        self.stages, self.i, self.o = stages, stages[0].i, stages[-1].o

    def elaborate(self, platform):
        m = Module()
        m.submodules += self.stages
        pipe(m, *self.stages)
        return m


def test_pipe_joins_all_stages():
    chain = Chain(Queue(8, 4), WidthConverter(8, 16), RegisterSlice(unsigned(16)))
    through(chain, [1, 2, 3, 4], [0x0201, 0x0403], 0.3, 0.3)


@pytest.mark.parametrize(("given", "taken"), [
    (unsigned(8), signed(8)),
    (8, 9),
    (data.StructLayout({"a": 4, "b": 4}), data.StructLayout({"a": 3, "b": 5})),
    (data.StructLayout({"a": 8}), unsigned(8)),
])
def test_pipe_refuses_different_payloads_by_name(given, taken):
    with pytest.raises(TypeError, match=r"cannot pipe Queue\.o .* into RegisterSlice\.i "):
        pipe(Module(), Queue(given, 4), RegisterSlice(taken))
