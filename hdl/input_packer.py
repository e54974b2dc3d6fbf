"""Packs the bytes of an input image into activation words."""

import numpy as np
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import ADDRESS_BITS

__all__ = ["InputPacker"]


class InputPacker(wiring.Component):
    """Gathers the channels of each pixel into words of `lanes` codes, written from address 0 upwards.

    A pixel takes ``ceil(channels / lanes)`` words; lanes without a channel hold `zero`. Throughput: one byte
    a cycle; a word is written in the cycle after its last byte. Byte 0 starts a new image at any time. Other
    bytes come in order; one whose address is not the next is ignored, so the link may send a piece of an image
    twice.

    Parameters
    ----------
    config : Config
        Gives `lanes` and `activation_bits` A; higher bits of a byte are dropped.

    Members
    -------
    byte_valid : In(1), byte_address : In(24), byte : In(8)
        A byte, and its place in the image (order y, x, channel).
    channels : In(16)
        Channels of the image, at least 1; stable during an image.
    zero : In(8)
        Code of lanes without a channel; stable during an image.
    write_enable : Out(1), write_address : Out(20), write_data : Out(lanes × unsigned(A))
        Activation memory, whole words.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "byte_valid": In(1), "byte_address": In(24), "byte": In(8), "channels": In(16), "zero": In(8),
            "write_enable": Out(1), "write_address": Out(ADDRESS_BITS),
            "write_data": Out(data.ArrayLayout(config.activation_bits, config.lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = self._config.lanes
        next_byte = Signal.like(self.byte_address)
        next_lane, next_channel = Signal(range(lanes)), Signal(16)
        lane, channel = Signal.like(next_lane), Signal.like(next_channel)
        restart = self.byte_address == 0
        taken = self.byte_valid & (restart | (self.byte_address == next_byte))
        pixel_end = channel == self.channels - 1
        word_end = pixel_end | (lane == lanes - 1)

        m.d.comb += [lane.eq(Mux(restart, 0, next_lane)), channel.eq(Mux(restart, 0, next_channel))]
        m.d.sync += self.write_enable.eq(taken & word_end)
        with m.If(self.write_enable):
            m.d.sync += self.write_address.eq(self.write_address + 1)
        with m.If(taken):
            m.d.sync += [
                next_byte.eq(self.byte_address + 1),
                next_lane.eq(Mux(word_end, 0, lane + 1)), next_channel.eq(Mux(pixel_end, 0, channel + 1)),
            ]
            for n in range(lanes):
                with m.If(lane == n):
                    m.d.sync += self.write_data[n].eq(self.byte)
                with m.Elif(lane == 0):
                    m.d.sync += self.write_data[n].eq(self.zero)
            with m.If(restart):
                m.d.sync += self.write_address.eq(0)
        return m

    @staticmethod
    def model(config: Config, image: bytes, channels: int, zero: int) -> np.ndarray:
        """The words that an image of whole pixels is packed into: uint8, shape (words, lanes)."""
        pixels = np.frombuffer(image, np.uint8).reshape(-1, channels)
        words = -(-channels // config.lanes)
        packed = np.full((len(pixels), words * config.lanes), zero, np.uint8)
        packed[:, :channels] = pixels
        return packed.reshape(-1, config.lanes)
