"""What cocotb benches share: clock and reset, and stream ends that stall at random.

Everything is driven at the falling edge and sampled when the signals have settled after it, as the next rising edge
will see them. So it does not matter in which order a simulator runs registers and benches at the rising edge.
"""

import json
import os
import random
from collections.abc import Iterable

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from nomul.gen.spec.config import Config

__all__ = ["bench_config", "get_bytes", "put_bytes", "start"]


def bench_config() -> Config:
    """The configuration that the bench's component was made from (see `nomul.cosim.benches`)."""
    return Config.from_dict(json.loads(os.environ["NOMUL_CONFIG"]), source="NOMUL_CONFIG")


async def start(dut) -> None:
    """Starts the clock of `dut` and resets it for two cycles, all other inputs as the caller set them."""
    Clock(dut.clk, 10, unit="ns").start()
    dut.rst.value = 1
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


async def put_bytes(dut, name: str, payloads: Iterable[int], *, stall: float = 0.0,
                    dice: random.Random | None = None) -> None:
    """Sends `payloads` into the stream `name`; before each it waits as long as a coin of probability `stall` says."""
    dice = dice or random.Random(0)
    payload, valid, ready = (getattr(dut, f"{name}__{part}") for part in ("payload", "valid", "ready"))
    for value in payloads:
        await FallingEdge(dut.clk)
        while dice.random() < stall:
            valid.value = 0
            await FallingEdge(dut.clk)
        payload.value, valid.value = value, 1
        await ReadOnly()
        while not ready.value:
            await FallingEdge(dut.clk)
            await ReadOnly()
    await FallingEdge(dut.clk)
    valid.value = 0


async def get_bytes(dut, name: str, count: int | None = None, *, into: bytearray | None = None, stall: float = 0.0,
                    dice: random.Random | None = None, patience: int | None = None) -> bytearray:
    """The next `count` payloads of the stream `name` (for ever if None), appended to `into` as they come.

    Checks the promise of a stream: a payload that is offered stays until it is taken. With `patience`, so many cycles
    without any payload are a failure.
    """
    dice = dice or random.Random(0)
    received = bytearray() if into is None else into
    payload, valid, ready = (getattr(dut, f"{name}__{part}") for part in ("payload", "valid", "ready"))
    offered, waited = None, 0
    while count is None or count > 0:
        await FallingEdge(dut.clk)
        take = dice.random() >= stall
        ready.value = int(take)
        await ReadOnly()
        value = payload.value.to_unsigned() if valid.value else None
        if offered is not None and value != offered:
            raise AssertionError(f"stream {name} offered {offered} and withdrew it (now {value})")
        offered = None if take else value
        waited = waited + 1 if value is None else 0
        if patience is not None and waited > patience:
            raise AssertionError(f"stream {name}: nothing for {patience} cycles")
        if take and value is not None:
            received.append(value)
            count = None if count is None else count - 1
    await FallingEdge(dut.clk)
    ready.value = 0
    return received
