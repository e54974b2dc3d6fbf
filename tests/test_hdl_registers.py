from dataclasses import replace

import pytest
from amaranth.hdl import ResetInserter, Signal

from nomul.gen.spec.config import Config
from nomul.gen.spec.registers import INPUT_FIELDS, REGISTERS, address_of
from nomul.hdl.registers import RegisterBlock
from nomul.hdl.sim import simulate

CONFIG = Config(name="test", lanes=2, columns=2, operators=("sign",), weight_stream=True)


def bench(script, config=CONFIG, reset=None):
    """Runs `script(dut, read, write)` on a register block, which the signal `reset` resets."""
    dut = RegisterBlock(config)

    async def run(ctx):
        async def read(name):
            ctx.set(dut.address, address_of(name))
            await ctx.tick()
            return ctx.get(dut.read_data)

        async def write(name, value):
            ctx.set(dut.address, address_of(name))
            ctx.set(dut.write_data, value)
            ctx.set(dut.write_enable, 1)
            await ctx.tick()
            ctx.set(dut.write_enable, 0)

        await script(ctx, dut, read, write)

    simulate(dut if reset is None else ResetInserter(reset)(dut), run)


def test_identity_is_what_the_configuration_says():
    async def script(ctx, dut, read, write):
        assert (await read("MAGIC")).to_bytes(4, "little") == b"nmul"
        assert await read("INTERFACE") == 7
        assert f"{await read('CONFIG_HIGH'):08x}{await read('CONFIG_LOW'):08x}" == CONFIG.hash

    bench(script)


@pytest.mark.parametrize("name", [register.name for register in REGISTERS if register.writable])
def test_writable_register_holds_its_value_and_shows_it(name):
    async def script(ctx, dut, read, write):
        assert await read(name) == 0
        await write(name, 0xDEADBEEF)
        assert await read(name) == 0xDEADBEEF
        if name in INPUT_FIELDS:
            assert ctx.get(getattr(dut, name.lower())) == 0xDEADBEEF
        others = [register.name for register in REGISTERS if register.writable and register.name != name]
        assert [await read(other) for other in others] == [0] * len(others)

    bench(script)


def test_after_a_reset_no_network_is_loaded_and_what_the_host_reads_is_what_the_hardware_sees():
    reset, fields = Signal(), sorted(INPUT_FIELDS)

    async def script(ctx, dut, read, write):
        for n, name in enumerate(fields):
            await write(name, 1000 + n)
        await write("RESULT_COUNT", 3)
        await write("NETWORK_LOW", 7)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(dut.loaded)
        assert await read("NETWORK_LOW") == 0
        assert [await read(name) for name in fields] == [ctx.get(getattr(dut, name.lower())) for name in fields]
        assert await read("RESULT_COUNT") == ctx.get(dut.result_count)

    bench(script, reset=reset)


@pytest.mark.parametrize("name", [register.name for register in REGISTERS if not register.writable])
def test_read_only_register_ignores_writes(name):
    async def script(ctx, dut, read, write):
        before = await read(name)
        await write(name, before ^ 0xFFFFFFFF)
        assert await read(name) == before

    bench(script)


def test_without_a_stream_its_register_is_none():
    async def script(ctx, dut, read, write):
        await write("STREAM_BASE", 5)
        assert await read("STREAM_BASE") == 0
        assert ctx.get(dut.stream_base) == 0

    bench(script, replace(CONFIG, weight_stream=False))


def test_inputs_are_shown():
    async def script(ctx, dut, read, write):
        ctx.set(dut.cycles, 123456)
        ctx.set(dut.top, 7)
        ctx.set(dut.busy, 1)
        assert [await read(name) for name in ("CYCLES", "TOP", "STATUS")] == [123456, 7, 0b101]

    bench(script)


@pytest.mark.parametrize("half", ["NETWORK_LOW", "NETWORK_HIGH"])
def test_either_half_of_the_network_hash_means_loaded(half):
    async def script(ctx, dut, read, write):
        await write(half, 1 << 31)
        assert await read("STATUS") == 0b110
        assert ctx.get(dut.loaded)
        await write(half, 0)
        assert await read("STATUS") == 0b100

    bench(script)


def test_every_bad_frame_is_counted():
    async def script(ctx, dut, read, write):
        ctx.set(dut.bad_frame, 1)
        await ctx.tick().repeat(3)
        ctx.set(dut.bad_frame, 0)
        await ctx.tick()
        assert await read("FRAME_ERRORS") == 3

    bench(script)


def test_more_results_than_there_are_count_as_one_more():
    async def script(ctx, dut, read, write):
        for value, taken in ((0, 0), (3, 3), (64, 64), (65, 65), (66, 65), (2**31, 65)):
            await write("RESULT_COUNT", value)
            assert (ctx.get(dut.result_count), await read("RESULT_COUNT")) == (taken, value)

    bench(script)


def test_the_ring_begins_where_the_host_says():
    async def script(ctx, dut, read, write):
        await write("STREAM_BASE", 4095)
        assert ctx.get(dut.stream_base) == 4095

    bench(script)


def test_halves_of_the_network_hash_are_shown_as_written():
    async def script(ctx, dut, read, write):
        await write("NETWORK_LOW", 7)
        await write("NETWORK_HIGH", 0)
        assert [await read("NETWORK_LOW"), await read("NETWORK_HIGH")] == [7, 0]
        await write("NETWORK_LOW", 0)
        assert await read("NETWORK_LOW") == 0

    bench(script)


def test_without_counters_only_all_cycles_are_shown():
    async def script(ctx, dut, read, write):
        for name in ("cycles", "cycles_busy", "cycles_input"):
            ctx.set(getattr(dut, name), 9)
        assert [await read(name) for name in ("CYCLES", "CYCLES_BUSY", "CYCLES_INPUT", "STATUS")] == [9, 0, 0, 0]

    bench(script, replace(CONFIG, counters=False))
