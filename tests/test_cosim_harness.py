import pytest

from nomul.cosim import harness
from nomul.cosim.harness import BenchError, run_bench

from .simulated import Increment

pytestmark = pytest.mark.cosim
BENCH = '''
import os
import random

import cocotb
from nomul.cosim.bfm import get_bytes, put_bytes, start


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.6])
async def increments(dut, stall):
    await start(dut)
    data = random.randbytes(40)
    print("drew", data.hex())
    cocotb.start_soon(put_bytes(dut, "rx", data, stall=stall))
    received = await get_bytes(dut, "tx", len(data), stall=stall)
    assert received == bytes((byte + int(os.environ["STEP"])) & 255 for byte in data)
'''


@pytest.fixture
def bench(tmp_path, monkeypatch):
    (tmp_path / "bench_of_increment.py").write_text(BENCH)
    monkeypatch.syspath_prepend(tmp_path)
    return "bench_of_increment"


def _drawn(result):
    return [line.split("drew ")[1] for line in result.log.splitlines() if "drew " in line]


def test_bench_passes_with_its_settings_and_repeats_with_its_seed(bench):
    first, second, third = (run_bench(Increment(), bench, seed=seed, settings={"STEP": "1"}) for seed in (5, 5, 6))
    assert first.tests == 2
    assert _drawn(first) == _drawn(second) != _drawn(third)


def test_failing_bench_raises_with_the_end_of_its_log(bench):
    with pytest.raises(BenchError, match=r"seed 3: 2 of 2 tests failed(?s:.*)AssertionError"):
        run_bench(Increment(), bench, seed=3, settings={"STEP": "2"})


def test_bench_without_tests_is_not_a_success(tmp_path, monkeypatch):
    (tmp_path / "bench_of_nothing.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BenchError, match="no test ran"):
        run_bench(Increment(), "bench_of_nothing")


def test_simulator_is_built_once_a_netlist(bench, monkeypatch):
    run_bench(Increment(), bench, settings={"STEP": "1"})
    runner = type(harness._runner())
    monkeypatch.setattr(runner, "build", lambda *_, **__: pytest.fail("built again"))
    assert run_bench(Increment(), bench, settings={"STEP": "1"}).tests == 2
