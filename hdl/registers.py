"""The registers of `nomul.gen.spec.registers` in hardware."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import INTERFACE_VERSION, Config
from nomul.gen.spec.registers import INPUT_FIELDS, MAGIC, REGISTERS, Status, address_of
from nomul.hdl.memory import plain_memory

__all__ = ["RegisterBlock"]

#: CYCLES, and what `counters` adds.
_CYCLES = [register.name.lower() for register in REGISTERS if register.name.startswith("CYCLES")]
_ERROR_BITS = 16


class RegisterBlock(wiring.Component):
    """All registers behind one word access port.

    A write takes effect at the next clock edge; writes to read-only registers are ignored. What the host has written it
    reads from a memory, so that only bits that the hardware uses are registers.

    Parameters
    ----------
    config : Config
        Its hash can be read; has `weight_stream`, `counters` and sizes.

    Members
    -------
    address : In, write_enable : In(1), write_data : In(32), read_data : Out(32)
        Word access; `read_data` in the cycle after `address`.
    busy : In(1), run : In(32), cycles : In(32), cycles_... : In(32), top : In(32)
        Shown in STATUS, RUN, CYCLES, CYCLES_... and TOP; those of CYCLES_... only with `counters`.
    bad_frame : In(1)
        Strobe, counted by FRAME_ERRORS.
    loaded : Out(1)
        NETWORK is not 0.
    result_count : Out(range(result_words + 2))
        RESULT_COUNT, or result_words + 1 if it is more.
    stream_base : Out(range(weight_words)), input_... : Out(32)
        As the host wrote them, also before a reset; 0 at power-up of an FPGA, and STREAM_BASE always without
        `weight_stream`.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "address": In(range(len(REGISTERS))), "write_enable": In(1), "write_data": In(32), "read_data": Out(32),
            "busy": In(1), "run": In(32), "top": In(32), "bad_frame": In(1), "loaded": Out(1),
            **{name: In(32) for name in _CYCLES}, **{name.lower(): Out(32) for name in INPUT_FIELDS},
            "result_count": Out(range(config.result_words + 2)), "stream_base": Out(range(config.weight_words)),
        })

    def elaborate(self, platform):
        m = Module()
        config, digest = self._config, int(self._config.hash, 16)
        frame_errors = Signal(_ERROR_BITS)
        status = {Status.BUSY: self.busy, Status.LOADED: self.loaded, Status.COUNTERS: Const(int(config.counters), 1)}
        read_only = {
            "MAGIC": MAGIC, "INTERFACE": INTERFACE_VERSION,
            "CONFIG_LOW": digest & 0xFFFFFFFF, "CONFIG_HIGH": digest >> 32,
            "STATUS": Cat(status[bit] for bit in sorted(status)),
            "CYCLES": self.cycles, "RUN": self.run, "TOP": self.top, "FRAME_ERRORS": frame_errors,
        }
        if config.counters:
            read_only |= {name.upper(): getattr(self, name) for name in _CYCLES}
        bad_frame = Signal()        # known late in its cycle
        m.d.sync += [bad_frame.eq(self.bad_frame), frame_errors.eq(frame_errors + bad_frame)]

        # What the host writes. Of these, only the halves of NETWORK are 0 after a reset: as the memory outlives it, so
        # must what the hardware uses, or the host would read what is no longer so.
        written = [register.name for register in REGISTERS
                   if register.writable and (register.name != "STREAM_BASE" or config.weight_stream)]
        m.submodules.held = held = plain_memory(32, 1 + max(map(address_of, written)))
        write, read = held.write_port(), held.read_port()
        kept = {name: Signal.like(getattr(self, name.lower()), name=f"{name.lower()}_kept", reset_less=True)
                for name in written if name not in ("NETWORK_LOW", "NETWORK_HIGH")}
        m.d.comb += [getattr(self, name.lower()).eq(value) for name, value in kept.items()]
        halves = {name: Signal(name=f"{name.lower()}_set") for name in ("NETWORK_LOW", "NETWORK_HIGH")}
        from_memory, other = Signal(), Signal(32)
        m.d.comb += [
            write.addr.eq(self.address), write.data.eq(self.write_data), read.addr.eq(self.address),
            self.loaded.eq(Cat(halves.values()).any()), self.read_data.eq(Mux(from_memory, read.data, other)),
        ]
        m.d.sync += [from_memory.eq(0), other.eq(0)]
        with m.Switch(self.address):
            for name, value in read_only.items():
                with m.Case(address_of(name)):
                    m.d.sync += other.eq(value)
            for name in written:
                with m.Case(address_of(name)):
                    m.d.comb += write.en.eq(self.write_enable)
                    m.d.sync += from_memory.eq(halves.get(name, 1))
                    with m.If(self.write_enable):
                        m.d.sync += self._taken(name, halves | kept)
        return m

    def _taken(self, name: str, registers: dict[str, Signal]):
        """What the hardware keeps of a write to a register."""
        if name in ("NETWORK_LOW", "NETWORK_HIGH"):
            return registers[name].eq(self.write_data != 0)
        if name == "RESULT_COUNT":
            most, bits = self._config.result_words + 1, len(self.result_count)
            low, high = self.write_data[:bits], self.write_data[bits:]
            return registers[name].eq(Mux(high.any() | (low > most), most, low))
        return registers[name].eq(self.write_data)
