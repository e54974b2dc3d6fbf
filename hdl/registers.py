"""The registers of `nomul.gen.spec.registers` in hardware."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import INTERFACE_VERSION, Config
from nomul.gen.spec.registers import MAGIC, REGISTERS, Status, address_of

__all__ = ["RegisterBlock"]

_CYCLES = [register.name.lower() for register in REGISTERS if register.name.startswith("CYCLES")]


class RegisterBlock(wiring.Component):
    """All registers behind one word access port.

    A write takes effect at the next clock edge; writes to read-only registers are ignored.

    Parameters
    ----------
    config : Config
        Its hash can be read; has `weight_stream`.

    Members
    -------
    address : In, write_enable : In(1), write_data : In(32), read_data : Out(32)
        Word access; `read_data` in the cycle after `address`.
    busy : In(1), run : In(32), cycles : In(32), cycles_... : In(32), top : In(32)
        Shown in STATUS, RUN, CYCLES, CYCLES_... and TOP.
    bad_frame : In(1)
        Strobe, counted by FRAME_ERRORS.
    loaded : Out(1)
        NETWORK is not 0.
    network_low, network_high, result_count, stream_base, input_... : Out(32)
        Every writable register, as the host wrote it; 0 at power-up, and STREAM_BASE always without `weight_stream`.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "address": In(range(len(REGISTERS))), "write_enable": In(1), "write_data": In(32), "read_data": Out(32),
            "busy": In(1), "run": In(32), "top": In(32), "bad_frame": In(1), "loaded": Out(1),
            **{name: In(32) for name in _CYCLES},
            **{register.name.lower(): Out(32) for register in REGISTERS if register.writable},
        })

    def elaborate(self, platform):
        m = Module()
        digest = int(self._config.hash, 16)
        frame_errors = Signal(32)
        status = {Status.BUSY: self.busy, Status.LOADED: self.loaded}
        read_only = {
            "magic": MAGIC,
            "interface": INTERFACE_VERSION,
            "config_low": digest & 0xFFFFFFFF,
            "config_high": digest >> 32,
            "status": Cat(status[bit] for bit in sorted(status)),
            **{name: getattr(self, name) for name in _CYCLES},
            "run": self.run,
            "top": self.top,
            "frame_errors": frame_errors,
        }
        absent = () if self._config.weight_stream else ("STREAM_BASE",)
        m.d.comb += self.loaded.eq((self.network_low | self.network_high) != 0)
        bad_frame = Signal()        # known late in its cycle
        m.d.sync += [bad_frame.eq(self.bad_frame), frame_errors.eq(frame_errors + bad_frame)]
        with m.Switch(self.address):
            for register in REGISTERS:
                if register.name in absent:
                    continue
                name = register.name.lower()
                with m.Case(address_of(register.name)):
                    m.d.sync += self.read_data.eq(getattr(self, name) if register.writable else read_only[name])
                    if register.writable:
                        with m.If(self.write_enable):
                            m.d.sync += getattr(self, name).eq(self.write_data)
            with m.Default():
                m.d.sync += self.read_data.eq(0)
        return m
