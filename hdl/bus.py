"""The bus between the host side (link, AXI) and the core: words of regions, start and busy."""

from typing import Any

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.frames import RUN_NUMBERS, RUNS_KEPT
from nomul.gen.spec.latency import LATE
from nomul.gen.spec.registers import Region, word_bytes
from nomul.hdl.fabric import fabric_of

__all__ = ["HostBus", "read_waits"]


def read_waits(platform: Any) -> list[tuple[str, str]]:
    """The states between "Fetch", with the read, and "Latch", with its data: each, and which follows."""
    states = ["Wait", *(f"Wait {n}" for n in range(LATE if fabric_of(platform).late_memories else 0)), "Latch"]
    return list(zip(states, states[1:], strict=False))


class HostBus(wiring.Signature):
    """Word accesses to the memory map of `nomul.gen.spec.registers`; the host side is the initiator.

    A write takes place in every cycle with `write_enable` and `ready`. After a cycle with `read_enable`, `read_data` is
    valid in the second cycle that follows, or `LATE` cycles later where memories are late (`read_waits`). While `busy`,
    only REGISTERS, INPUT and WEIGHT_STREAM may be accessed; while `pending`, not INPUT.

    Members
    -------
    region : Out(4), address : Out(24)
        Region and word address of the access.
    write_enable : Out(1), write_data : Out(bits)
        `bits` is the widest region's word; narrower ones are in the low bits, and those above may be anything.
    ready : In(1)
        A write of this cycle takes place; otherwise it comes again, at once or later.
    read_enable : Out(1), read_data : In(bits)
        Words narrower than `bits` are in the low bits, the others 0.
    start : Out(1)
        Strobe, not while `pending`: run the program once. Ignored unless `loaded`.
    run : Out(4)
        Number of the last `start`, from the cycle after it.
    pending : In(1)
        From the cycle after `start` until the program begins.
    busy : In(1)
        From the cycle after `start` until all runs have ended.
    result_run : Out(2)
        Whose results, of the last four runs, are read.
    result_count : In(range(result_words + 2))
        Register RESULT_COUNT, or result_words + 1 if it is more.
    loaded : In(1)
        A network is loaded (register NETWORK is not 0).
    bad_frame : Out(1)
        Strobe: a frame was discarded (counted by FRAME_ERRORS).
    """

    def __init__(self, config: Config):
        self.bits = 8 * max(word_bytes(region, config) for region in Region)
        super().__init__({
            "region": Out(4), "address": Out(24),
            "write_enable": Out(1), "write_data": Out(self.bits), "ready": In(1),
            "read_enable": Out(1), "read_data": In(self.bits),
            "start": Out(1), "run": Out(range(RUN_NUMBERS)), "pending": In(1), "busy": In(1),
            "result_run": Out(range(RUNS_KEPT)), "result_count": In(range(config.result_words + 2)), "loaded": In(1),
            "bad_frame": Out(1),
        })
