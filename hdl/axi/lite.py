"""AXI4-Lite: the bus's signature, and a subordinate that turns its five channels into one access after the other."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.axi import AXI_ADDRESS_BITS

__all__ = ["AxiLite", "AxiLiteSubordinate", "RegisterAccess"]

_OKAY, _SLVERR = 0, 2


class AxiLite(wiring.Signature):
    """AXI4-Lite with 32 bits of data (Arm IHI 0022, part B); the manager is the initiator."""

    def __init__(self):
        super().__init__({
            "awaddr": Out(AXI_ADDRESS_BITS), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
            "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(AXI_ADDRESS_BITS), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
            "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
        })


class RegisterAccess(wiring.Signature):
    """One access at a time to words of 32 bits; the side of the bus is the initiator.

    Members
    -------
    access : Out(1), write : Out(1), address : Out(10), data : Out(32)
        A read or write of the word at `address`; all stay until `done`.
    done : In(1), value : In(32), error : In(1)
        Strobe: it has taken place; what was read; there is no such word.
    """

    def __init__(self):
        super().__init__({
            "access": Out(1), "write": Out(1), "address": Out(AXI_ADDRESS_BITS - 2), "data": Out(32),
            "done": In(1), "value": In(32), "error": In(1),
        })


class AxiLiteSubordinate(wiring.Component):
    """Answers every request, in the order in which they come, reads and writes in turn if both wait.

    A write's address and data may come in either order. Its strobes must all be 1: otherwise it is answered with SLVERR
    and not carried out. All outputs of the bus are registers. An access takes three cycles and what the registers take.

    Members
    -------
    bus : In(AxiLite)
        The bus.
    registers : Out(RegisterAccess)
        What lies behind it.
    """

    bus: In(AxiLite())
    registers: Out(RegisterAccess())

    def elaborate(self, platform):
        m = Module()
        bus, registers = self.bus, self.registers
        # A request of each channel, kept until its answer has been taken.
        full = {channel: Signal(name=f"{channel}_full") for channel in ("aw", "w", "ar")}
        kept = {name: Signal.like(getattr(bus, name), name=f"kept_{name}")
                for name in ("awaddr", "wdata", "wstrb", "araddr")}
        for channel, names in {"aw": ("awaddr",), "w": ("wdata", "wstrb"), "ar": ("araddr",)}.items():
            valid, ready = getattr(bus, f"{channel}valid"), getattr(bus, f"{channel}ready")
            m.d.comb += ready.eq(~full[channel])
            with m.If(valid & ready):
                m.d.sync += [full[channel].eq(1), *(kept[name].eq(getattr(bus, name)) for name in names)]

        writing = Signal()      # this access, or the last one
        m.d.comb += [
            registers.write.eq(writing), registers.data.eq(kept["wdata"]),
            registers.address.eq(Mux(writing, kept["awaddr"], kept["araddr"])[2:]),
        ]
        with m.FSM():
            with m.State("Idle"):
                can_write = full["aw"] & full["w"]
                with m.If(can_write | full["ar"]):
                    m.d.sync += writing.eq(can_write & (~full["ar"] | ~writing))
                    m.next = "Access"
            with m.State("Access"):
                partial = writing & ~kept["wstrb"].all()
                m.d.comb += registers.access.eq(~partial)
                with m.If(registers.done | partial):
                    m.d.sync += [
                        bus.bvalid.eq(writing), bus.rvalid.eq(~writing), bus.rdata.eq(registers.value),
                    ]
                    for answer in (bus.bresp, bus.rresp):
                        m.d.sync += answer.eq(Mux(partial | registers.error, _SLVERR, _OKAY))
                    m.next = "Answer"
            with m.State("Answer"):
                with m.If((bus.bvalid & bus.bready) | (bus.rvalid & bus.rready)):
                    m.d.sync += [bus.bvalid.eq(0), bus.rvalid.eq(0)]
                    with m.If(writing):
                        m.d.sync += [full["aw"].eq(0), full["w"].eq(0)]
                    with m.Else():
                        m.d.sync += full["ar"].eq(0)
                    m.next = "Idle"
        return m
