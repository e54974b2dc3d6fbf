"""Pools windows and adds residuals: the VECTOR layers of a program, lane by lane."""

import numpy as np
from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import LATE, vector_latency
from nomul.gen.spec.program import ADDRESS_BITS, Mode
from nomul.hdl.constants import held
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.fabric import fabric_of
from nomul.hdl.loop import Loop
from nomul.hdl.sums import sum_of
from nomul.hdl.vector_lanes import TAG, add_taps, compare_taps
from nomul.hdl.window import WindowWalker, outside

__all__ = ["VectorEngine"]


class VectorEngine(wiring.Component):
    """Runs one VECTOR layer, one tap of all lanes a cycle, exactly as `nomul.gen.spec.program` says.

    Throughput: one tap or second operand a cycle, without idle cycles between windows. `busy` lasts
    ``groups · output_pixels · taps + latency`` cycles, where taps counts the second operand. Sums are modulo
    ``2^vector_bits``; without `vector_sums` every layer is one of MAX. Words are read ahead of earlier writes: an
    output word may take the place of a word that is read for no later output.

    Not checked: ``0 <= lower <= upper < 2^A``, ``pad_code < 2^A``, and that the sums fit, which are the compiler's
    business.

    Parameters
    ----------
    config : Config
        Gives `lanes`, `activation_bits` A, `vector_bits` and `vector_sums`.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from the cycle before `start` on, while busy.
    start : In(1)
        Strobe, only while not busy.
    busy : Out(1)
        From the cycle after `start` until the last word is being written.
    working : Out(1)
        A word is read.
    read_address : Out(20), read_data : In(lanes × unsigned(A))
        Activation memory, data one cycle after the address, or `LATE` more where memories are late.
    write_enable : Out(1), write_address : Out(20), write_data : Out(lanes × unsigned(A))
        Activation memory, whole words.

    Attributes
    ----------
    latency : int
        Cycles from the issue of the last address to the end, which waits for late memories even where there are none.
    """

    def __init__(self, config: Config):
        self._config = config
        self.latency = vector_latency(config)
        word = data.ArrayLayout(config.activation_bits, config.lanes)
        super().__init__({
            "descriptor": In(DESCRIPTOR), "start": In(1), "busy": Out(1), "working": Out(1),
            "read_address": Out(ADDRESS_BITS), "read_data": In(word),
            "write_enable": Out(1), "write_address": Out(ADDRESS_BITS), "write_data": Out(word),
        })

    def elaborate(self, platform):
        m = Module()
        layer = Layer(self.descriptor, self._config)
        tags = [Signal(TAG, name=f"tag_{n}") for n in range(self.latency + 1)]
        for tag, following in zip(tags, tags[1:], strict=False):
            m.d.sync += following.eq(tag)
        self._issue(m, layer, tags[0])
        combine = add_taps if self._config.vector_sums else compare_taps
        fabric = fabric_of(platform)
        late = fabric.late_memories
        combine(m, fabric, self._config, layer, tags[LATE:] if late else tags[:-LATE], self.read_data, self.write_data)

        done = tags[-1 if late else -1 - LATE]
        address = Signal(layer.address_bits)
        next_word = Signal(layer.address_bits)  # where the next channel word's outputs start
        m.d.comb += [self.write_enable.eq(done.last), self.write_address.eq(address)]
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                address.eq(layer.output_base), next_word.eq(layer.output_base + 1),
            ]
        with m.If(done.last):
            m.d.sync += address.eq(address + Mux(done.row_end, layer.output_row_step, layer.output_pixel_step))
        with m.If(done.map_end):
            m.d.sync += [address.eq(next_word), next_word.eq(next_word + 1)]
        with m.If(tags[-1].end):
            m.d.sync += self.busy.eq(0)
        return m

    def _issue(self, m: Module, layer: Layer, issued: data.View) -> None:
        """Walks channel words, pixels and taps; `read_address` follows `issued` by one cycle."""
        m.submodules.window = window = WindowWalker(self._config)
        two_operands: Value = Const(0, 1)
        if self._config.vector_sums:
            two_operands = held(m, layer.two_operands & (layer.mode == Mode.ADD), "two_operands")
        running, opening, second = Signal(), Signal(), Signal()     # opening: an output's first tap
        last_row, last_column, last_word = (layer.last(name) for name in ("kernel_height", "kernel_width", "groups"))
        rows, columns, words = Loop(m, last_row, "row"), Loop(m, last_column, "column"), Loop(m, last_word, "word")
        word, row, column = Signal(len(last_word)), Signal(len(last_row)), Signal(len(last_column))
        offset = Signal(layer.address_bits)     # of the tap, channel word included, to the window's address
        address, second_address = Signal(layer.address_bits), Signal(layer.address_bits)
        next_second = Signal(layer.address_bits)    # where the next channel word's second operands start

        row_end, window_end = columns.end, columns.end & rows.end
        finish = running & Mux(two_operands, second, window_end)
        map_end = finish & window.last
        y, x = Signal.like(window.y), Signal.like(window.x)
        m.d.comb += [
            window.descriptor.eq(self.descriptor), window.first.eq(self.start | window.last),
            window.move.eq(self.start | finish), self.working.eq(running),
            y.eq(window.y + row), x.eq(window.x + column),
            issued.outside.eq(outside(layer, y, x) & ~second), issued.second.eq(second),
            issued.first.eq(opening),
            issued.last.eq(finish), issued.row_end.eq(window.row_end), issued.map_end.eq(map_end),
            issued.end.eq(map_end & words.end),
        ]
        m.d.comb += self.read_address.eq(address)
        m.d.sync += address.eq(Mux(second, second_address, window.address + offset))

        with m.If(self.start):
            m.d.sync += [
                running.eq(1), opening.eq(1), word.eq(0), offset.eq(0),
                *words.first(), *rows.first(), *columns.first(),
                second_address.eq(layer.second_base), next_second.eq(layer.second_base + 1),
            ]
        with m.Elif(finish):
            m.d.sync += [
                second.eq(0), opening.eq(1), row.eq(0), column.eq(0), offset.eq(word), *rows.first(), *columns.first(),
                second_address.eq(sum_of(second_address, layer.last("channel_words"), Const(1, 1))),
                running.eq(~issued.end),
            ]
            with m.If(map_end):
                m.d.sync += [
                    word.eq(word + 1), offset.eq(word + 1), *words.next(),
                    second_address.eq(next_second), next_second.eq(next_second + 1),
                ]
        with m.Elif(running & window_end):
            m.d.sync += [second.eq(1), opening.eq(0), row.eq(0), column.eq(0), *rows.first(), *columns.first()]
        with m.Elif(running):
            with m.If(row_end):
                m.d.sync += rows.next()
            m.d.sync += [
                opening.eq(0), *columns.next(),
                column.eq(Mux(row_end, 0, column + 1)), row.eq(row + row_end),
                offset.eq(offset + Mux(row_end, layer.tap_row_step, layer.tap_step)),
            ]

    @staticmethod
    def model(config: Config, descriptor: dict[str, int], memory: np.ndarray) -> np.ndarray:
        """The activation memory after the layer.

        Parameters
        ----------
        descriptor : dict
            Every field of `nomul.gen.spec.program.FIELDS`.
        memory : integer array, shape (activation_words, lanes)
            The activation memory before the layer; not changed.
        """
        field = descriptor
        after = memory.copy()

        def read(address: int) -> np.ndarray:
            return memory[address % 2**ADDRESS_BITS].astype(np.int64)

        def tap(pixel: int, row: int, column: int, word: int) -> np.ndarray:
            pixel_row, pixel_column = divmod(pixel, field["output_width"])
            y = pixel_row * field["stride_y"] - field["padding_top"] + row
            x = pixel_column * field["stride_x"] - field["padding_left"] + column
            if not (0 <= y < field["input_height"] and 0 <= x < field["input_width"]):
                return np.full(config.lanes, field["pad_code"])
            output_row = (field["output_width"] - 1) * field["pixel_step"] + field["row_step"]
            kernel_row = (field["kernel_width"] - 1) * field["tap_step"] + field["tap_row_step"]
            window = field["input_base"] + pixel_row * output_row + pixel_column * field["pixel_step"]
            return read(window + row * kernel_row + column * field["tap_step"] + word)

        for word in range(field["groups"]):
            for pixel in range(field["output_pixels"]):
                taps = [tap(pixel, row, column, word)
                        for row in range(field["kernel_height"]) for column in range(field["kernel_width"])]
                if field["mode"] == Mode.MAX:
                    codes = np.max(taps, axis=0)
                else:
                    total = field["offset"] + np.sum(np.array(taps) << field["left_shift"], axis=0)
                    if field["two_operands"]:
                        second = read(field["second_base"] + pixel * field["channel_words"] + word)
                        total = total + (second << field["second_left_shift"])
                    codes = np.clip(total >> field["shift"], field["lower"], field["upper"])
                pixel_row, pixel_column = divmod(pixel, field["output_width"])
                map_row = (field["output_width"] - 1) * field["output_pixel_step"] + field["output_row_step"]
                output = field["output_base"] + pixel_row * map_row + pixel_column * field["output_pixel_step"] + word
                after[output % 2**ADDRESS_BITS] = codes
        return after
