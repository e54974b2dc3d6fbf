"""The measurements of `nomul bench link`, in short: the long ones are in docs/boards.md."""

import json
from types import SimpleNamespace

import pytest

from nomul.cosim.goodput import measure_goodput
from nomul.cosim.link import SimulationLink
from nomul.cosim.link_noise import link_noise
from nomul.gen.cli import main
from nomul.gen.presets import load_config
from nomul.gen.spec.registers import Region
from nomul.sw.driver.device_model import DeviceModel

from .hardware import small_config

CONFIG = load_config("tiny")


@pytest.mark.parametrize(("rate", "seed"), [(1e-3, 0), (1e-3, 1), (3e-3, 2), (2e-2, 3)])
def test_no_wrong_byte_is_accepted_and_every_frame_is_delivered_or_reported(rate, seed):
    result = link_noise(3000, rate, CONFIG, seed=seed)
    assert result.wrong == 0
    assert result.delivered + result.reported == result.frames == 3000
    # Three kinds of faults, each so frequent.
    assert 0.9 < result.faults / (3 * rate * result.line_bytes) < 1.1
    assert result.attempts > result.frames
    if rate == 1e-3:
        assert result.reported < 10
    if rate == 2e-2:
        assert result.reported > 0


def test_clean_line_sends_each_frame_once():
    result = link_noise(4000, 0.0, CONFIG)
    # And a few to begin each of two batches.
    assert (result.delivered, result.reported, result.wrong, result.faults) == (4000, 0, 0, 0)
    assert 4000 < result.attempts < 4020


class Careless(DeviceModel):
    """Writes one word too many, now and then."""

    count = 0

    def _write(self, payload):
        self.count += 1
        if self.count % 500 == 0:
            self.memories[Region.PROGRAM][77] ^= 1
        return super()._write(payload)


def test_device_that_changes_what_nobody_wrote_is_found():
    assert link_noise(3000, 1e-3, CONFIG, link=Careless(CONFIG, lambda memories: ([], 0))).wrong > 0


@pytest.mark.cosim
def test_gateware_accepts_no_wrong_byte_either():
    result = link_noise(1500, 1e-3, CONFIG, link=SimulationLink(CONFIG))
    assert (result.wrong, result.delivered + result.reported) == (0, 1500)
    assert result.faults > 50


@pytest.mark.cosim
def test_push_uses_nine_tenths_of_the_serial_line():
    """Of 3 Mbaud at 48 MHz; with fewer clock cycles a bit, the board's checksums begin to count."""
    board = SimpleNamespace(name="fast", clock_hz=48_000_000, baud=3_000_000, divisor=16)
    for frame_bytes, least, size in ((1024, 0.92, 1 << 14), (256, 0.90, 1 << 15)):
        result = measure_goodput(board, small_config(lanes=8, frame_bytes=frame_bytes), size)
        assert result.network_bytes > size
        assert least < result.share < 1 - 13 / frame_bytes
        assert result.line_times > result.line_bytes


def test_bench_link_writes_what_it_found(tmp_path, capsys):
    assert main(["bench", "link", "--frames", "500", "--seed", "4", "--json", str(tmp_path / "link.json")]) == 0
    found = json.loads((tmp_path / "link.json").read_text())
    assert [found[key] for key in ("frames", "wrong", "rate", "seed", "gateware")] == [500, 0, 1e-3, 4, False]
    assert "delivered" in capsys.readouterr().out
