import random

import pytest

from nomul.hdl.block_reader import BlockReader
from nomul.hdl.sim import simulate

from .hardware import small_config


def read(sizes: list[int], readiness: float = 1, seed: int = 0) -> tuple[list[tuple], list[tuple]]:
    """What is read, as (cycle, pixel), and what is taken, as (cycle, pixel, whether it is the block's last)."""
    dut, random_ = BlockReader(small_config(block_pixels=20)), random.Random(seed)
    reads, takes = [], []

    async def bench(ctx):
        cycle = 0

        async def step(ready):
            nonlocal cycle
            ctx.set(dut.ready, ready)
            if ctx.get(dut.sent):       # what the memory gave before it is read again
                takes.append((cycle, reads[-1][1], bool(ctx.get(dut.end))))
            if ctx.get(dut.read):
                reads.append((cycle, ctx.get(dut.pixel)))
            await ctx.tick()
            cycle += 1

        for size in sizes:
            # As it is given: whether there is but one pixel in this cycle alone, how many from the next one on.
            for port, value in ((dut.begin, 1), (dut.only_pixel, size == 1), (dut.last_pixel, 0)):
                ctx.set(port, value)
            await step(random_.random() < readiness)
            for port, value in ((dut.begin, 0), (dut.only_pixel, size != 1), (dut.last_pixel, size - 1)):
                ctx.set(port, value)
            before = len(takes)
            while len(takes) < before + size:
                await step(random_.random() < readiness)
            await step(1)       # nothing is left to be taken

    simulate(dut, bench)
    return reads, takes


def test_a_block_is_read_at_one_pixel_a_cycle():
    reads, takes = read([3])
    assert takes == [(1, 0, False), (2, 1, False), (3, 2, True)]
    # With the last one taken, the memory is read once more, which nobody looks at.
    assert reads == [(0, 0), (1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("readiness", [1, 0.5, 0.1])
def test_blocks_of_any_size_are_read_from_their_first_pixel_on_and_each_pixel_is_taken_once(readiness):
    sizes = [1, 1, 20, 2, 1, 7]
    reads, takes = read(sizes, readiness, seed=1)
    assert [offered for _, *offered in takes] == [[*offered] for size in sizes for offered in BlockReader.model(size)]
    assert [pixel for _, pixel in reads] == [n for size in sizes for n in range(size + 1)]


def test_a_pixel_that_is_not_taken_stays_and_is_not_read_again():
    reads, takes = read([2], readiness=0.2, seed=4)
    assert takes[-1][0] > 2      # it had to wait
    assert [cycle for cycle, _ in reads[1:]] == [cycle for cycle, *_ in takes]
