"""Helpers of simulations: stream ends that stall at random, and one way to run test benches."""

import random
from collections.abc import Callable, Iterable

from amaranth.sim import Simulator

__all__ = ["simulate", "stream_get", "stream_put"]


async def stream_put(ctx, stream, payloads: Iterable, *, stall: float = 0.0, seed: int = 0) -> None:
    """Sends `payloads`, waiting before each for as long as a coin with probability `stall` says so."""
    dice = random.Random(seed)
    for payload in payloads:
        while dice.random() < stall:
            await ctx.tick()
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        taken = False
        while not taken:
            _, _, taken = await ctx.tick().sample(stream.ready)
        ctx.set(stream.valid, 0)


async def stream_get(ctx, stream, count: int, *, stall: float = 0.0, seed: int = 0) -> list:
    """The next `count` payloads; stalls as `stream_put` does."""
    dice = random.Random(seed)
    payloads = []
    for _ in range(count):
        while dice.random() < stall:
            await ctx.tick()
        ctx.set(stream.ready, 1)
        given = False
        while not given:
            _, _, payload, given = await ctx.tick().sample(stream.payload, stream.valid)
        ctx.set(stream.ready, 0)
        payloads.append(payload)
    return payloads


def simulate(dut, *benches: Callable, background: Iterable[Callable] = (), limit: int = 100_000) -> None:
    """Runs `benches` on `dut` until all have ended.

    Parameters
    ----------
    dut : Elaboratable
        The circuit, in clock domain `sync`.
    benches : async functions of the simulation context
        One for each port of the circuit.
    background : async functions of the simulation context
        Benches that need not end.
    limit : int
        Clock cycles that the benches may take.

    Raises
    ------
    TimeoutError
        If the benches take longer than `limit` cycles.
    """
    async def watch(ctx):
        for _ in range(limit):      # not `repeat`: its generator cannot be closed in mid-wait without a warning
            await ctx.tick()
        raise TimeoutError(f"simulation did not end within {limit} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-8)
    for bench in benches:
        sim.add_testbench(bench)
    for bench in (*background, watch):
        sim.add_testbench(bench, background=True)
    sim.run()
