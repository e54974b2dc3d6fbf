import random

from nomul.gen.spec.program import DESCRIPTOR_WORDS, FIELDS, Opcode, pack
from nomul.hdl.sequencer import Sequencer
from nomul.hdl.sim import simulate

from .hardware import small_config


def value(ctx, dut, field):
    stored = int(ctx.get(getattr(dut.descriptor, field.name)))
    return (stored + 1) % (1 << field.bits) if field.less_one else stored


def test_layers_run_in_order_on_their_engine_with_every_field_intact():
    chance = random.Random(3)
    layers = []
    for opcode in (Opcode.ARRAY, Opcode.VECTOR, Opcode.ARRAY):
        layers.append({field.name: chance.randrange(1 << field.bits - 1) for field in FIELDS} | {"opcode": opcode})
    program = [word for layer in [*layers, {"opcode": Opcode.END}] for word in pack(**layer)]
    dut = Sequencer(small_config())
    ran, cycles = [], []

    async def memory(ctx):
        while True:
            _, _, address = await ctx.tick().sample(dut.program_address)
            ctx.set(dut.program_data, program[address] if address < len(program) else 0)

    async def engines(ctx):
        while True:
            _, _, array, vector = await ctx.tick().sample(dut.array_start, dut.vector_start)
            if array or vector:
                busy = dut.array_busy if array else dut.vector_busy
                ran.append(("array" if array else "vector",
                            {field.name: value(ctx, dut, field) for field in FIELDS}))
                ctx.set(busy, 1)
                await ctx.tick().repeat(chance.randrange(1, 20))
                ctx.set(busy, 0)

    async def bench(ctx):
        for _ in range(2):                              # the second run starts from the beginning
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            count = 0
            while ctx.get(dut.busy):
                await ctx.tick()
                count += 1
            cycles.append((count, ctx.get(dut.cycles)))

    simulate(dut, bench, background=(memory, engines))
    assert ran == 2 * [("array", layers[0]), ("vector", layers[1]), ("array", layers[2])]
    for counted, reported in cycles:
        assert counted == reported > 4 * DESCRIPTOR_WORDS
