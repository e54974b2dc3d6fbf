"""The clock of boards with an ECP5: from the oscillator through a PLL, and a reset until that has locked.

Limits from the ECP5 family data sheet (Lattice FPGA-DS-02012), parameters from the sysCLOCK guide (FPGA-TN-02200).
"""

from typing import NamedTuple

from amaranth.build import TemplatedPlatform
from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, Signal
from amaranth.lib import io

from nomul.boards.base import BoardError

__all__ = ["PllSettings", "make_clock", "pll_settings"]

#: Hertz: of the input and of its part that the phase detector compares, of the PLL's own oscillator, of its output.
_PHASE, _OSCILLATOR, _OUTPUT = (10_000_000, 400_000_000), (400_000_000, 800_000_000), (3_125_000, 400_000_000)
_DIVIDERS = range(1, 129)


class PllSettings(NamedTuple):
    """Dividers of an EHXPLLL whose output is its feedback.

    Attributes
    ----------
    reference, feedback, output : int
        The output runs at the input's rate · `feedback` / `reference`, and the PLL's own oscillator `output` times
        as fast.
    """

    reference: int
    feedback: int
    output: int


def pll_settings(input_hz: int, output_hz: int) -> PllSettings:
    """Dividers for exactly this output, with the fastest comparison of phases, and the oscillator at its mid-range.

    Raises
    ------
    BoardError
        If the PLL cannot make it; names the limit, or the nearest rates that it can make.
    """
    for what, value, (low, high) in (("input", input_hz, _PHASE), ("output", output_hz, _OUTPUT)):
        if not low <= value <= high:
            raise BoardError(f"the PLL of an ECP5 wants an {what} of {low / 1e6:g} to {high / 1e6:g} MHz, "
                             f"not {value / 1e6:g} MHz")
    references = [n for n in _DIVIDERS if _PHASE[0] <= input_hz / n <= _PHASE[1]]
    outputs = [n for n in _DIVIDERS if _OSCILLATOR[0] <= output_hz * n <= _OSCILLATOR[1]]
    for reference in references:
        feedback, remainder = divmod(output_hz * reference, input_hz)
        if not remainder and feedback in _DIVIDERS:
            output = min(outputs, key=lambda n: abs(output_hz * n - sum(_OSCILLATOR) / 2))
            return PllSettings(reference, feedback, output)
    rates = {input_hz * feedback / reference for reference in references for feedback in _DIVIDERS
             if _OUTPUT[0] <= input_hz * feedback / reference <= _OUTPUT[1]}
    nearest = sorted(sorted(rates, key=lambda rate: abs(rate - output_hz))[:2])
    raise BoardError(f"the PLL of an ECP5 cannot make {output_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz; near it are "
                     f"{' and '.join(f'{rate / 1e6:g}' for rate in nearest)} MHz")


def make_clock(m: Module, platform: TemplatedPlatform, output_hz: int) -> None:
    """Adds the domain ``sync`` of `output_hz`, made of the platform's oscillator, with that rate as a constraint.

    The flip-flops are held in reset by the chip's own net for it (GSR), as Amaranth does for an oscillator, but until
    the PLL has locked. So the domain has no reset of its own.
    """
    resource = platform.lookup(platform.default_clk)
    settings = pll_settings(round(resource.clock.frequency), output_hz)
    m.submodules.clock_pin = pin = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
    clock, locked, settled, released = Signal(name="pll_clock"), Signal(), Signal(), Signal()
    m.submodules.pll = Instance(
        "EHXPLLL",
        ("a", "FREQUENCY_PIN_CLKI", f"{resource.clock.frequency / 1e6:g}"),
        ("a", "FREQUENCY_PIN_CLKOP", f"{output_hz / 1e6:g}"),
        # The loop filter, as Lattice's own tool sets it.
        ("a", "ICP_CURRENT", "12"), ("a", "LPF_RESISTOR", "8"), ("a", "MFG_ENABLE_FILTEROPAMP", "1"),
        ("a", "MFG_GMCREF_SEL", "2"),
        p_PLLRST_ENA="DISABLED", p_INTFB_WAKE="DISABLED", p_STDBY_ENABLE="DISABLED", p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA", p_OUTDIVIDER_MUXB="DIVB", p_OUTDIVIDER_MUXC="DIVC", p_OUTDIVIDER_MUXD="DIVD",
        p_CLKI_DIV=settings.reference, p_CLKFB_DIV=settings.feedback, p_FEEDBK_PATH="CLKOP",
        p_CLKOP_ENABLE="ENABLED", p_CLKOP_DIV=settings.output, p_CLKOP_CPHASE=settings.output - 1, p_CLKOP_FPHASE=0,
        i_CLKI=pin.i, i_CLKFB=clock, i_RST=0, i_STDBY=0, i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=1, i_PHASESTEP=1,
        i_PHASELOADREG=1, i_PLLWAKESYNC=0, i_ENCLKOP=0, o_CLKOP=clock, o_LOCK=locked)
    m.submodules.settled = Instance("FD1S3AX", p_GSR="DISABLED", i_CK=clock, i_D=locked, o_Q=settled)
    m.submodules.released = Instance("FD1S3AX", p_GSR="DISABLED", i_CK=clock, i_D=settled, o_Q=released)
    m.submodules.reset = Instance("SGSR", i_CLK=clock, i_GSR=released)
    m.domains.sync = ClockDomain(reset_less=True)
    m.d.comb += ClockSignal().eq(clock)
    platform.add_clock_constraint(clock, output_hz)
