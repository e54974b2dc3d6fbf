"""The layer descriptor as a hardware record, made from the one table in `nomul.gen.spec.program`."""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from nomul.gen.spec.program import FIELDS

__all__ = ["DESCRIPTOR"]

#: Bit for bit the record that `nomul.gen.spec.program.pack` writes.
DESCRIPTOR = data.StructLayout({
    field.name: signed(field.bits) if field.signed else unsigned(field.bits) for field in FIELDS
})
