"""The CRC-32 of Ethernet and zlib, a byte or a bit a cycle."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

__all__ = ["Crc32"]

_BITS, _BYTE = 32, 8
#: Bits reversed, as the least significant one comes first: the polynomial, and what a whole frame leaves behind.
_POLYNOMIAL, _RESIDUE = 0xEDB88320, 0xDEBB20E3


class Crc32(wiring.Component):
    """CRC of the bytes since `start`.

    Parameters
    ----------
    serial : bool
        A byte takes 8 cycles, with less than half of the logic, instead of 1.

    Members
    -------
    start : In(1)
        Strobe: forget the bytes before the next cycle.
    valid : In(1), data : In(8), ready : Out(1)
        A byte, which stays until it is taken.
    crc : Out(32)
        Of the bytes that have been taken.
    match : Out(1)
        The last four of them were the CRC of those before.
    """

    def __init__(self, *, serial: bool):
        self._serial = serial
        super().__init__({
            "start": In(1), "valid": In(1), "data": In(_BYTE), "ready": Out(1), "crc": Out(_BITS), "match": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        if not self._serial:
            m.submodules.crc = crc = CRC32_ISO_HDLC(_BYTE).create()
            m.d.comb += [
                crc.start.eq(self.start), crc.valid.eq(self.valid), crc.data.eq(self.data), self.ready.eq(1),
                self.crc.eq(crc.crc), self.match.eq(crc.match_detected),
            ]
            return m
        register, position = Signal(_BITS, init=-1), Signal(range(_BYTE))
        feedback = register[0] ^ self.data.bit_select(position, 1)
        m.d.comb += [
            self.ready.eq(position == _BYTE - 1), self.crc.eq(~register), self.match.eq(register == _RESIDUE),
        ]
        with m.If(self.start):
            m.d.sync += [register.eq(-1), position.eq(0)]
        with m.Elif(self.valid):
            m.d.sync += [
                register.eq((register >> 1) ^ Mux(feedback, _POLYNOMIAL, Const(0, _BITS))), position.eq(position + 1),
            ]
        return m
