"""Packs the windows of an input image into activation words, so that the first layer's taps fill the lanes."""

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import ADDRESS_BITS
from nomul.gen.spec.widths import address_bits
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.fabric import fabric_of
from nomul.hdl.loop import Loop
from nomul.hdl.memory import plain_memory
from nomul.hdl.stream import RegisterSlice, Wires
from nomul.hdl.window import WindowWalker, outside

__all__ = ["InputPacker"]


class InputPacker(wiring.Component):
    """Keeps the bytes of an image, and writes the taps of each of its windows side by side into words of `lanes` codes.

    Windows follow each other from address 0 upwards, each in as many words as its taps need; taps outside the image,
    and lanes beyond the last tap, hold the pad code. A window of one pixel leaves the image as it is. Throughput: a tap
    a cycle, behind the bytes that they come from, while nothing else is written. Byte 0 starts a new image at any time.
    Other bytes come in order; one whose address is not the next is ignored, so the link may send a piece of an image
    twice.

    Parameters
    ----------
    config : Config
        Gives `lanes`, `image_bytes` and `activation_bits` A; higher bits of a byte are dropped. Without `pack_windows`
        all windows are of one pixel, and follow each other as the image's bytes do.

    Members
    -------
    byte_valid : In(1), byte_address : In(24), byte : In(8)
        A byte, and its place in the image (order y, x, channel).
    windows : In(DESCRIPTOR)
        Where the windows lie: the fields of `nomul.gen.spec.registers.INPUT_FIELDS`, for a map whose words are bytes.
        Stable from the cycle before an image's byte 0 until it is packed.
    hold : In(1)
        The words of the image before are still read: write none.
    flush : In(1)
        No more bytes will come: take those that are missing as they are in the memory.
    clear : In(1)
        Give up what is being packed: `windows` will change.
    busy : Out(1)
        From byte 0 until the last word has been written.
    write_enable : Out(1), write_address : Out(20), write_data : Out(lanes × unsigned(A))
        Activation memory, whole words; all three stay until `write_ready`.
    write_ready : In(1)
        The word is written.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "byte_valid": In(1), "byte_address": In(24), "byte": In(8), "windows": In(DESCRIPTOR),
            "hold": In(1), "flush": In(1), "clear": In(1), "busy": Out(1),
            "write_enable": Out(1), "write_address": Out(ADDRESS_BITS),
            "write_data": Out(data.ArrayLayout(config.activation_bits, config.lanes)), "write_ready": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, windows = self._config, Layer(self.windows, self._config, image=True)
        m.submodules.image = image = plain_memory(config.activation_bits, config.image_bytes)
        write, read = image.write_port(), image.read_port()

        received = Signal(range(config.image_bytes + 1))
        restart = self.byte_valid & (self.byte_address == 0)
        # Nobody reads a byte before the second cycle after it was counted.
        taken = restart | (self.byte_valid & (self.byte_address == received))
        m.d.sync += [write.en.eq(taken), write.addr.eq(self.byte_address), write.data.eq(self.byte)]
        with m.If(taken):
            m.d.sync += received.eq(self.byte_address + 1)

        lane, last_lane = Signal(range(config.lanes)), Signal()
        step = Signal()         # to the next tap
        walk = self._walk_windows if config.pack_windows else self._walk_pixels
        tap_address, beyond, window_end, map_end = walk(m, windows, step, restart)
        word_end = window_end | last_lane

        # What follows waits for bytes and for its turn to write; so that walking need not know in time, there is a
        # slice in between. Then the tap that is read as soon as its byte is there, and the one whose byte the memory
        # gives.
        tap = data.StructLayout({"outside": 1, "lane": range(config.lanes), "word_end": 1})
        slice_of = Wires if config.serial_crc else RegisterSlice
        walked = slice_of(data.StructLayout({"address": windows.address_bits, "tap": tap}))
        m.submodules.walked = ResetInserter(restart | self.clear)(walked)
        walking, reading, packing, placing = Signal(), Signal(), Signal(), Signal()
        asked, given = Signal(tap), Signal(tap)
        # And the byte that goes to its lane: the memory is late in its cycle, and there are many lanes.
        placed = Signal(data.StructLayout({
            "lanes": config.lanes, "word_end": 1, "outside": 1, "byte": config.activation_bits}))
        pad_code, = fabric_of(platform).constants(m, "pad_code", windows.pad_code)
        address = Signal(windows.address_bits)
        there = Signal()        # its byte, or it needs none
        go, stall = Signal(), Signal()
        write_address = Signal(address_bits(config))
        following = walked.o.payload
        m.d.comb += [
            self.write_address.eq(write_address),
            stall.eq(self.write_enable & ~self.write_ready), go.eq((~reading | there) & ~stall & ~self.hold),
            read.addr.eq(address), read.en.eq(~stall), step.eq(walking & walked.i.ready), walked.o.ready.eq(go),
            walked.i.valid.eq(walking), walked.i.payload.address.eq(tap_address),
            walked.i.payload.tap.outside.eq(beyond), walked.i.payload.tap.lane.eq(lane),
            walked.i.payload.tap.word_end.eq(word_end),
        ]
        m.d.sync += there.eq(asked.outside | self.flush | (address < received))
        with m.If(go):
            m.d.sync += [
                there.eq(following.tap.outside | self.flush | (following.address < received)),
                reading.eq(walked.o.valid), address.eq(following.address), asked.eq(following.tap),
            ]
        with m.If(step):
            m.d.sync += [lane.eq(Mux(word_end, 0, lane + 1)), last_lane.eq(~word_end & (lane == config.lanes - 2))]
            with m.If(map_end):
                m.d.sync += walking.eq(0)

        with m.If(~stall):
            m.d.sync += [
                packing.eq(reading & there & ~self.hold), given.eq(asked),
                placing.eq(packing), placed.word_end.eq(given.word_end),
                placed.lanes.eq(Cat(given.lane == n for n in range(config.lanes))),
                placed.outside.eq(given.outside), placed.byte.eq(read.data),
                self.write_enable.eq(placing & placed.word_end),
                write_address.eq(write_address + self.write_enable),
            ]
        with m.If(placing & ~stall):
            for n in range(config.lanes):
                with m.If(placed.lanes[n]):
                    m.d.sync += self.write_data[n].eq(Mux(placed.outside, pad_code, placed.byte))
                with m.Elif(placed.lanes[0]):
                    m.d.sync += self.write_data[n].eq(pad_code)

        with m.If(restart):
            m.d.sync += [signal.eq(0) for signal in (lane, last_lane, reading, packing, placing,
                                                     self.write_enable, write_address)]
            m.d.sync += [walking.eq(1), there.eq(0)]
        with m.If(self.clear):
            m.d.sync += [walking.eq(0), reading.eq(0), packing.eq(0), placing.eq(0), self.write_enable.eq(0)]
        m.d.comb += self.busy.eq(walking | walked.o.valid | reading | packing | placing | self.write_enable)
        return m

    def _walk_windows(self, m: Module, windows: Layer, step: Signal, restart: Value) -> tuple[Value, ...]:
        """The next tap: its address, whether it lies in the padding, and ends its window, and that the last one."""
        m.submodules.window = window = WindowWalker(self._config, image=True)
        last_row, last_column = windows.last("kernel_height"), windows.last("kernel_width")
        rows, columns = Loop(m, last_row, "row"), Loop(m, last_column, "column")
        channels = Loop(m, windows.last("channel_words"), "channel")
        row, column, offset = Signal(len(last_row)), Signal(len(last_column)), Signal(windows.address_bits)
        pixel_end, row_end = channels.end, channels.end & columns.end
        window_end = row_end & rows.end
        y, x = Signal.like(window.y), Signal.like(window.x)
        m.d.comb += [
            window.descriptor.eq(self.windows), window.move.eq(restart | (step & window_end)), window.first.eq(restart),
            y.eq(window.y + row), x.eq(window.x + column),
        ]
        with m.If(step):
            m.d.sync += [
                *channels.next(),
                column.eq(Mux(row_end, 0, column + pixel_end)),
                row.eq(Mux(window_end, 0, row + row_end)),
                offset.eq(Mux(window_end, 0, offset + Mux(row_end, windows.tap_row_step, 1))),
            ]
            with m.If(pixel_end):
                m.d.sync += columns.next()
            with m.If(row_end):
                m.d.sync += rows.next()
        with m.If(restart):
            m.d.sync += [
                row.eq(0), column.eq(0), offset.eq(0), *rows.first(), *columns.first(), *channels.first(),
            ]
        return (window.address + offset)[:len(offset)], outside(windows, y, x), window_end, window_end & window.last

    def _walk_pixels(self, m: Module, windows: Layer, step: Signal, restart: Value) -> tuple[Value, ...]:
        """The same of windows of a pixel each: the image's bytes, one after the other."""
        address = Signal(windows.address_bits)
        channels = Loop(m, windows.last("channel_words"), "channel")
        pixels = Loop(m, windows.last("output_pixels"), "pixel")
        with m.If(step):
            m.d.sync += [address.eq(address + 1), *channels.next()]
            with m.If(channels.end):
                m.d.sync += pixels.next()
        with m.If(restart):
            m.d.sync += [address.eq(0), *channels.first(), *pixels.first()]
        return address, Const(0, 1), channels.end, channels.end & pixels.end

    @staticmethod
    def model(config: Config, image: bytes, windows: dict[str, int]) -> np.ndarray:
        """The words that a whole image is packed into: uint8, shape (words, lanes)."""
        words = []
        for y, x, address in WindowWalker.model(windows):
            taps, offset = [], 0
            for row in range(windows["kernel_height"]):
                for column in range(windows["kernel_width"]):
                    inside = 0 <= y + row < windows["input_height"] and 0 <= x + column < windows["input_width"]
                    for channel in range(windows["channel_words"]):
                        taps.append(image[(address + offset + channel) % 2**ADDRESS_BITS] if inside
                                    else windows["pad_code"])
                    offset += windows["channel_words"]
                offset += windows["tap_row_step"] - 1
            taps += [windows["pad_code"]] * (-len(taps) % config.lanes)
            words += [taps[first:first + config.lanes] for first in range(0, len(taps), config.lanes)]
        return np.array(words, np.uint8)
