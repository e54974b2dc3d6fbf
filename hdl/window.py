"""Walks the windows of a layer: where each output pixel's first tap lies, without a multiplication."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.program import ADDRESS_BITS
from nomul.hdl.constants import last_of
from nomul.hdl.descriptor import DESCRIPTOR

__all__ = ["COORDINATE_BITS", "WindowWalker", "outside"]

#: Signed width of a map coordinate: 11-bit maps, up to 15 pixels of padding, windows and strides beyond the edge.
COORDINATE_BITS = 13

_STATE = data.StructLayout({
    "y": signed(COORDINATE_BITS), "x": signed(COORDINATE_BITS), "address": ADDRESS_BITS,
    "column": 11, "pixel": 20,
})


def outside(layer: data.View, y: Value, x: Value) -> Value:
    """Whether a tap at map coordinates `y` and `x` lies in the padding of a layer's (DESCRIPTOR) input."""
    return (y < 0) | (y >= layer.input_height) | (x < 0) | (x >= layer.input_width)


class WindowWalker(wiring.Component):
    """Coordinates and address of the current window (output pixel), in raster order.

    Commands take effect at the next clock edge; of several at once, `first` wins over `restore`, and that over
    `advance`. The walker does not stop by itself at the last pixel.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable while walking.
    first : In(1)
        Go to pixel 0.
    restore : In(1)
        Go back to the saved pixel.
    advance : In(1)
        Go to the next pixel.
    save : In(1)
        Remember the pixel that is current after this cycle's command.
    y, x : Out(signed(13))
        Map coordinates of the window's first tap; negative in the padding.
    address : Out(20)
        Address of the window's first tap, modulo 2^20.
    row_end, last : Out(1)
        The current pixel is the last of its row, of the map.
    """

    descriptor: In(DESCRIPTOR)
    first: In(1)
    restore: In(1)
    advance: In(1)
    save: In(1)
    y: Out(signed(COORDINATE_BITS))
    x: Out(signed(COORDINATE_BITS))
    address: Out(ADDRESS_BITS)
    row_end: Out(1)
    last: Out(1)

    def elaborate(self, platform):
        m = Module()
        layer = self.descriptor
        current, following, saved = Signal(_STATE), Signal(_STATE), Signal(_STATE)

        m.d.comb += following.eq(current)
        with m.If(self.first):
            m.d.comb += [
                following.y.eq(-layer.padding_top), following.x.eq(-layer.padding_left),
                following.address.eq(layer.input_base), following.column.eq(0), following.pixel.eq(0),
            ]
        with m.Elif(self.restore):
            m.d.comb += following.eq(saved)
        with m.Elif(self.advance):
            m.d.comb += [
                following.y.eq(current.y + Mux(self.row_end, layer.stride_y, 0)),
                following.x.eq(Mux(self.row_end, -layer.padding_left, current.x + layer.stride_x)),
                following.address.eq(current.address + Mux(self.row_end, layer.row_step, layer.pixel_step)),
                following.column.eq(Mux(self.row_end, 0, current.column + 1)),
                following.pixel.eq(current.pixel + 1),
            ]
        m.d.sync += current.eq(following)
        with m.If(self.save):
            m.d.sync += saved.eq(following)

        m.d.comb += [
            Cat(self.y, self.x).eq(Cat(current.y, current.x)),
            self.address.eq(current.address),
            self.row_end.eq(current.column == last_of(m, layer.output_width, "last_column")),
            self.last.eq(current.pixel == last_of(m, layer.output_pixels, "last_pixel")),
        ]
        return m

    @staticmethod
    def model(descriptor: dict[str, int]) -> list[tuple[int, int, int]]:
        """`(y, x, address)` of every window, in order."""
        windows, address = [], descriptor["input_base"]
        for pixel in range(descriptor["output_pixels"]):
            row, column = divmod(pixel, descriptor["output_width"])
            windows.append((row * descriptor["stride_y"] - descriptor["padding_top"],
                            column * descriptor["stride_x"] - descriptor["padding_left"], address))
            last = column == descriptor["output_width"] - 1
            address = (address + descriptor["row_step" if last else "pixel_step"]) % 2**ADDRESS_BITS
        return windows
