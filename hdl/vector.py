"""Pools windows and adds residuals: the VECTOR layers of a program, lane by lane."""

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import VECTOR
from nomul.gen.spec.program import ADDRESS_BITS, FIELDS, Mode
from nomul.hdl.constants import held
from nomul.hdl.descriptor import DESCRIPTOR
from nomul.hdl.loop import Loop
from nomul.hdl.window import COORDINATE_BITS, WindowWalker, outside

__all__ = ["VectorEngine"]

#: Of a tap.
_LARGEST_SHIFT = next(2**field.bits - 1 for field in FIELDS if field.name == "left_shift")

#: What a word read from memory means, and what its sum completes.
_TAG = data.StructLayout({"outside": 1, "second": 1, "first": 1, "last": 1, "row_end": 1, "map_end": 1, "end": 1})


class VectorEngine(wiring.Component):
    """Runs one VECTOR layer, one tap of all lanes a cycle, exactly as `nomul.gen.spec.program` says.

    Throughput: one tap or second operand a cycle, without idle cycles between windows. `busy` lasts
    ``groups · output_pixels · taps + LATENCY`` cycles, where taps counts the second operand. Sums are modulo
    ``2^vector_bits``. Words are read ahead of earlier writes: an output word may take the
    place of a word that is read for no later output.

    Not checked: ``0 <= lower <= upper < 2^A``, ``pad_code < 2^A``, and that the sums fit, which are the compiler's
    business.

    Parameters
    ----------
    config : Config
        Gives `lanes`, `activation_bits` A and `vector_bits`.

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
        Activation memory, data one cycle after the address.
    write_enable : Out(1), write_address : Out(20), write_data : Out(lanes × unsigned(A))
        Activation memory, whole words.
    """

    #: Cycles from the issue of an output's last address to its write.
    LATENCY = VECTOR

    def __init__(self, config: Config):
        self._config = config
        word = data.ArrayLayout(config.activation_bits, config.lanes)
        super().__init__({
            "descriptor": In(DESCRIPTOR), "start": In(1), "busy": Out(1), "working": Out(1),
            "read_address": Out(ADDRESS_BITS), "read_data": In(word),
            "write_enable": Out(1), "write_address": Out(ADDRESS_BITS), "write_data": Out(word),
        })

    def elaborate(self, platform):
        m = Module()
        layer = self.descriptor
        tags = [Signal(_TAG, name=f"tag_{n}") for n in range(self.LATENCY + 1)]
        for tag, following in zip(tags, tags[1:], strict=False):
            m.d.sync += following.eq(tag)
        self._issue(m, tags[0])
        self._combine(m, tags)

        done = tags[self.LATENCY]
        next_word = Signal(ADDRESS_BITS)        # where the next channel word's outputs start
        m.d.comb += self.write_enable.eq(done.last)
        with m.If(self.start):
            m.d.sync += [
                self.busy.eq(1),
                self.write_address.eq(layer.output_base), next_word.eq(layer.output_base + 1),
            ]
        with m.If(done.last):
            m.d.sync += self.write_address.eq(self.write_address + Mux(done.row_end, layer.output_row_step,
                                                                       layer.output_pixel_step))
        with m.If(done.map_end):
            m.d.sync += [self.write_address.eq(next_word), next_word.eq(next_word + 1)]
        with m.If(done.end):
            m.d.sync += self.busy.eq(0)
        return m

    def _issue(self, m: Module, issued: data.View) -> None:
        """Walks channel words, pixels and taps; `read_address` follows `issued` by one cycle."""
        layer = self.descriptor
        m.submodules.window = window = WindowWalker()
        two_operands = held(m, layer.two_operands & (layer.mode == Mode.ADD), "two_operands")
        running, opening, second = Signal(), Signal(), Signal()     # opening: an output's first tap
        rows, columns = Loop(m, layer.kernel_height, "row"), Loop(m, layer.kernel_width, "column")
        words = Loop(m, layer.groups, "word")
        word, row, column = Signal(10), Signal(6), Signal(6)
        offset = Signal(ADDRESS_BITS)           # of the tap, channel word included, to the window's address
        second_address = Signal(ADDRESS_BITS)
        next_second = Signal(ADDRESS_BITS)      # where the next channel word's second operands start

        row_end, window_end = columns.end, columns.end & rows.end
        finish = running & Mux(two_operands, second, window_end)
        map_end = finish & window.last
        y, x = Signal(signed(COORDINATE_BITS)), Signal(signed(COORDINATE_BITS))
        m.d.comb += [
            window.descriptor.eq(layer), window.first.eq(self.start | window.last), window.move.eq(self.start | finish),
            self.working.eq(running),
            y.eq(window.y + row), x.eq(window.x + column),
            issued.outside.eq(outside(layer, y, x) & ~second), issued.second.eq(second),
            issued.first.eq(opening),
            issued.last.eq(finish), issued.row_end.eq(window.row_end), issued.map_end.eq(map_end),
            issued.end.eq(map_end & words.end),
        ]
        m.d.sync += self.read_address.eq(Mux(second, second_address, window.address + offset))

        with m.If(self.start):
            m.d.sync += [
                running.eq(1), opening.eq(1), word.eq(0), offset.eq(0),
                *words.first(), *rows.first(), *columns.first(),
                second_address.eq(layer.second_base), next_second.eq(layer.second_base + 1),
            ]
        with m.Elif(finish):
            m.d.sync += [
                second.eq(0), opening.eq(1), row.eq(0), column.eq(0), offset.eq(word), *rows.first(), *columns.first(),
                second_address.eq(second_address + layer.channel_words), running.eq(~issued.end),
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

    def _combine(self, m: Module, tags: list[data.View]) -> None:
        """The lanes: take the tap, shift it, add or compare, shift the sum, clamp; one register after each.

        MAX is ADD with neutral constants and a comparison for the addition; it begins at 0, the least code.
        """
        layer, bits, lanes = self.descriptor, self._config.activation_bits, self._config.lanes
        codes = 2**bits - 1
        sum_shape = signed(self._config.vector_bits)

        left_shift, shift = Signal(4), Signal(5)
        offset, lower, upper = Signal(sum_shape), Signal(bits), Signal(bits)
        maximum = layer.mode == Mode.MAX
        with m.If(maximum):
            m.d.comb += upper.eq(codes)
        with m.Else():
            m.d.comb += [
                left_shift.eq(Mux(tags[3].second, layer.second_left_shift, layer.left_shift)),
                shift.eq(layer.shift), offset.eq(layer.offset), lower.eq(layer.lower), upper.eq(layer.upper),
            ]

        def larger(a: Value, b: Value) -> Value:
            return Mux(a > b, a, b)

        for lane in range(lanes):
            tap = Signal(bits, name=f"tap_{lane}")
            term = Signal(min(bits + _LARGEST_SHIFT, self._config.vector_bits), name=f"term_{lane}")
            total, before, quotient = (Signal(sum_shape, name=f"{name}_{lane}")
                                       for name in ("total", "before", "quotient"))
            m.d.comb += before.eq(Mux(tags[4].first, offset, total))
            m.d.sync += [
                tap.eq(Mux(tags[2].outside, layer.pad_code[:bits], self.read_data[lane])),
                term.eq(tap << left_shift),
                total.eq(Mux(maximum, larger(term[:bits], before[:bits]), before + term)),
                quotient.eq(total >> shift),
            ]
            low = quotient[:bits]
            with m.If(quotient < 0):
                m.d.sync += self.write_data[lane].eq(lower)
            with m.Elif(quotient[bits:-1].any() | (low > upper)):
                m.d.sync += self.write_data[lane].eq(upper)
            with m.Else():
                m.d.sync += self.write_data[lane].eq(larger(lower, low))

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
