"""The layer descriptor as a hardware record, made from the one table in `nomul.gen.spec.program`."""

from amaranth.hdl import Value, signed, unsigned
from amaranth.lib import data

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import FIELDS
from nomul.gen.spec.widths import address_bits, coordinate_bits, field_bits

__all__ = ["DESCRIPTOR", "Layer"]

#: Bit for bit the record that `nomul.gen.spec.program.pack` writes.
DESCRIPTOR = data.StructLayout({
    field.name: signed(field.bits) if field.signed else unsigned(field.bits) for field in FIELDS
})


class Layer:
    """A descriptor's fields, as wide as one configuration needs them; nobody reads the bits above.

    A field is an attribute of its name; but of those that are stored as one less there is only `last`.

    Parameters
    ----------
    descriptor : data.View of DESCRIPTOR
        The record.
    config : Config
        Gives the widths (`nomul.gen.spec.widths`).
    image : bool
        The map is the image, in the packer's memory.

    Attributes
    ----------
    address_bits, coordinate_bits : int
        Of an address in the memory that the layer reads, and of a signed coordinate.
    """

    def __init__(self, descriptor: data.View, config: Config, *, image: bool = False):
        self.address_bits, self.coordinate_bits = address_bits(config, image=image), coordinate_bits(config)
        bits = field_bits(config, image=image)
        self._values = {}
        for field in FIELDS:
            value = Value.cast(descriptor[field.name])[:bits[field.name]]
            self._values[field.name] = value.as_signed() if field.signed else value
        self._less_one = {field.name for field in FIELDS if field.less_one}

    def __getattr__(self, name: str) -> Value:
        if name.startswith("_") or name in self._less_one or name not in self._values:
            raise AttributeError(f"a layer has no field {name!r} in hardware")
        return self._values[name]

    def last(self, name: str) -> Value:
        """One less than the field of that name: the last of so many, counted from 0."""
        if name not in self._less_one:
            raise AttributeError(f"the field {name!r} is stored as it is")
        return self._values[name]
