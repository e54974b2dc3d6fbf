"""cocotb side of `bench/simulators.py`: the given bytes through the accelerator, and the time that it takes."""

import json
import os
import time
from pathlib import Path

import cocotb
from cocotb.utils import get_sim_time

from nomul.cosim.bfm import get_bytes, put_bytes, start


@cocotb.test()
async def traffic(dut):
    """Sends the bytes of one file while it takes as many as the other has, and compares those."""
    folder = Path(os.environ["NOMUL_TRAFFIC"])
    requests, answers = (folder / "requests").read_bytes(), (folder / "answers").read_bytes()
    dut.rx__valid.value = dut.tx__ready.value = 0
    await start(dut)
    begin, first = time.process_time(), get_sim_time("ns")
    cocotb.start_soon(put_bytes(dut, "rx", requests))
    assert await get_bytes(dut, "tx", len(answers)) == answers
    seconds, cycles = time.process_time() - begin, (get_sim_time("ns") - first) / 10
    (folder / "cocotb.json").write_text(json.dumps({"cycles": round(cycles), "seconds": seconds}))
