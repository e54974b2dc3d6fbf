# amaranth: UnusedElaboratable=no
"""Arrays that a device has no room for."""

from nomul.gen.bench.fpga import bench_fpga, fpga_steps
from nomul.gen.bench.pes import Size


def test_array_that_fits_no_device_is_counted_and_says_why_it_has_no_clock_rate():
    """An HX8K has no multiplier blocks."""
    steps = []
    names = ["multiplier-rows", "multiplier-dsp"]
    rows, dsp = bench_fpga("ice40", names, Size(lanes=2, columns=2), 1, lambda: steps.append(1))
    assert len(steps) == fpga_steps("ice40", names, 1)
    assert (rows.device, rows.not_routed, rows.fmax_seeds) == ("iCE40HX8K-CT256", None, [rows.fmax_mhz])
    assert rows.fmax_mhz > 50
    assert (dsp.device, dsp.fmax_mhz, dsp.fmax_seeds, dsp.routed_luts_per_op) == (None, None, [], None)
    assert "4 multiplier blocks do not fit iCE40HX8K-CT256" in dsp.not_routed
    assert dsp.dsp == 1
