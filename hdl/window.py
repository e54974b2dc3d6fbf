"""Walks the windows of a layer: where each output pixel's first tap lies, without a multiplication."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import ADDRESS_BITS
from nomul.gen.spec.widths import address_bits, coordinate_bits
from nomul.hdl.constants import held
from nomul.hdl.descriptor import DESCRIPTOR, Layer

__all__ = ["WindowWalker", "outside"]


def outside(layer: Layer, y: Value, x: Value) -> Value:
    """Whether a tap at map coordinates `y` and `x` lies in the padding of a layer's input."""
    return (y < 0) | (y >= layer.input_height) | (x < 0) | (x >= layer.input_width)


class WindowWalker(wiring.Component):
    """Coordinates and address of the current window (output pixel), in raster order.

    Commands take effect at the next clock edge; `move` may come late in a cycle. The walker does not stop by itself at
    the last pixel.

    Parameters
    ----------
    config : Config
        Gives the widths.
    image : bool
        The windows are those of the image, in the packer's memory.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from the cycle before the first `move` on.
    move : In(1)
        Go to another pixel: to pixel 0 if `first`, else to the saved one if `restore`, else to the next.
    first, restore : In(1)
        Where to.
    save : In(1)
        Remember the pixel that is current after this cycle's command.
    y, x : Out(signed(coordinate_bits(config)))
        Map coordinates of the window's first tap; negative in the padding.
    address : Out(address_bits(config))
        Address of the window's first tap, modulo 2^address_bits.
    row_end, last : Out(1)
        The current pixel is the last of its row, of the map.
    """

    def __init__(self, config: Config, *, image: bool = False):
        self._config, self._image = config, image
        super().__init__({
            "descriptor": In(DESCRIPTOR), "move": In(1), "first": In(1), "restore": In(1), "save": In(1),
            "y": Out(signed(coordinate_bits(config))), "x": Out(signed(coordinate_bits(config))),
            "address": Out(address_bits(config, image=image)), "row_end": Out(1), "last": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer = Layer(self.descriptor, self._config, image=self._image)
        last_column, last_pixel = layer.last("output_width"), layer.last("output_pixels")
        state = data.StructLayout({
            "y": self.y.shape(), "x": self.x.shape(), "address": self.address.shape(),
            "columns_left": len(last_column), "row_end": 1, "pixels_left": len(last_pixel), "last": 1,
        })
        origin, current, following, saved = (Signal(state) for _ in range(4))
        top, left = held(m, -layer.padding_top, "top"), held(m, -layer.padding_left, "left")
        only_column = held(m, last_column == 0, "only_column")
        m.d.comb += [
            origin.y.eq(top), origin.x.eq(left), origin.address.eq(layer.input_base),
            origin.columns_left.eq(last_column), origin.row_end.eq(only_column),
            origin.pixels_left.eq(last_pixel), origin.last.eq(held(m, last_pixel == 0, "only_pixel")),
        ]
        saving = Signal()       # the current pixel has yet to be saved
        m.d.sync += saving.eq(self.save)
        with m.If(saving):
            m.d.sync += saved.eq(current)
        with m.If(self.first):
            m.d.comb += following.eq(origin)
        with m.Elif(self.restore):
            m.d.comb += following.eq(Mux(saving, current, saved))
        with m.Else():
            m.d.comb += [
                following.y.eq(current.y + Mux(current.row_end, layer.stride_y, 0)),
                following.x.eq(Mux(current.row_end, left, current.x + layer.stride_x)),
                following.address.eq(current.address + Mux(current.row_end, layer.row_step, layer.pixel_step)),
                following.columns_left.eq(Mux(current.row_end, last_column, current.columns_left - 1)),
                following.row_end.eq(Mux(current.row_end, only_column, current.columns_left == 1)),
                following.pixels_left.eq(current.pixels_left - 1),
                following.last.eq(current.pixels_left == 1),
            ]
        with m.If(self.move):
            m.d.sync += current.eq(following)
        m.d.comb += [
            Cat(self.y, self.x).eq(Cat(current.y, current.x)),
            self.address.eq(current.address), self.row_end.eq(current.row_end), self.last.eq(current.last),
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
