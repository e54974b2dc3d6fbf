import random

from nomul.gen.spec.registers import Region
from nomul.hdl.axi.arbiter import BusArbiter
from nomul.hdl.sim import simulate

from .hardware import small_config


def run(asking, ready, cycles=300):
    """Which client is served in each cycle; `asking(n)` and `ready(cycle)` say who asks, and when the core is ready."""
    dut, served = BusArbiter(small_config(), [32, 8, 1]), []

    async def bench(ctx):
        for n, region in enumerate((Region.REGISTERS, Region.INPUT, Region.RESULTS)):
            client = getattr(dut, f"clients_{n}")
            ctx.set(client.region, region)
            ctx.set(client.address, 100 + n)
            ctx.set(client.write, n < 2)
            if n < 2:
                ctx.set(client.data, 7 + n)
        for cycle in range(cycles):
            requests = [asking(n) for n in range(3)]
            for n, request in enumerate(requests):
                ctx.set(getattr(dut, f"clients_{n}").request, request)
            ctx.set(dut.ready, ready(cycle))
            *_, region, address, writes, data, reads, t0, t1, t2 = await ctx.tick().sample(
                dut.region, dut.address, dut.write_enable, dut.write_data, dut.read_enable,
                dut.clients_0.taken, dut.clients_1.taken, dut.clients_2.taken)
            taken = [t0, t1, t2]
            assert sum(taken) <= 1
            assert writes + reads == any(requests)
            if any(taken):
                n = taken.index(1)
                assert requests[n]
                assert (region, address) == ((Region.REGISTERS, Region.INPUT, Region.RESULTS)[n], 100 + n)
                assert (writes, reads) == (n < 2, n == 2)
                assert not writes or (data == 7 + n and ready(cycle))
                served.append(n)
            else:
                assert not any(requests) or (writes and not ready(cycle))
                served.append(None)

    simulate(dut, bench)
    return served


def test_all_who_ask_are_served_in_turn():
    served = run(lambda n: True, lambda cycle: True)
    assert served[:9] == [0, 1, 2] * 3
    assert run(lambda n: n != 1, lambda cycle: True)[:6] == [0, 2] * 3


def test_whoever_asks_alone_is_served_every_cycle():
    assert run(lambda n: n == 1, lambda cycle: True) == [1] * 300


def test_a_write_that_the_core_does_not_take_holds_nobody_up():
    served = run(lambda n: n > 0, lambda cycle: False)
    assert served[:4] == [None, 2, None, 2]


def test_at_random_nobody_waits_longer_than_the_others_take():
    dice = random.Random(4)
    served = run(lambda n: n == 0 or dice.random() < 0.7, lambda cycle: True)
    places = [cycle for cycle, n in enumerate(served) if n == 0]
    assert max(b - a for a, b in zip(places, places[1:], strict=False)) <= 3
