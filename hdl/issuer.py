"""Reads the activations of an ARRAY layer, tile by tile and pixel by pixel, and feeds the processing array."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nomul.gen.spec.config import Config
from nomul.gen.spec.program import ADDRESS_BITS
from nomul.hdl.blocks import BlockCounter
from nomul.hdl.descriptor import DESCRIPTOR, Layer
from nomul.hdl.loop import Loop
from nomul.hdl.sums import sum_of
from nomul.hdl.window import WindowWalker, outside

__all__ = ["ActivationIssuer", "issue_tag"]

#: Width of a tap's distance from its window's first: 63 kernel rows, 15 rows of the map apart.
_TAP_BITS = 10


def issue_tag(config: Config) -> data.StructLayout:
    """What travels with activations through the array: where their sums belong.

    `pixel` in the block, `bank` of the block accumulators, `first`: the block's first tile (start from 0),
    `last`: the block's last sum.
    """
    return data.StructLayout({"pixel": range(config.block_pixels), "bank": 1, "first": 1, "last": 1})


class ActivationIssuer(wiring.Component):
    """One word per cycle, as long as the next weight tile is there when a tile begins.

    The activation memory is read with `read_address`; one cycle later, together with the memory's data, come `valid`,
    `outside` and `tag` (two cycles after the decision: address and flags are registered).

    Members
    -------
    descriptor : In(DESCRIPTOR)
        The layer; stable from the cycle before `start` on, while busy.
    start : In(1), busy : Out(1)
        Strobe; high until the last word has been issued.
    tile_full : In(1), tile_take : Out(1)
        From and to `TileLoader`.
    bank_busy : In(2)
        For each bank of the block accumulators: it is still drained or filled.
    working : Out(1), lacks_tile : Out(1), lacks_bank : Out(1)
        While busy, one of them: a word is issued, or what it waits for.
    bank_take : Out(1), bank : Out(1)
        Strobe: a block begins in `bank`.
    read_address : Out(20)
        Activation memory address.
    valid : Out(1)
        The memory's data belong to a tap.
    outside : Out(1)
        The tap lies in the padding: use the layer's `pad_code` instead of the data.
    swap : Out(1)
        In the next cycle comes the first word of a tile: its weights become active.
    tag : Out(issue_tag(config))
        Goes with the word.
    """

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "descriptor": In(DESCRIPTOR), "start": In(1), "busy": Out(1),
            "tile_full": In(1), "tile_take": Out(1), "bank_busy": In(2), "bank_take": Out(1), "bank": Out(1),
            "working": Out(1), "lacks_tile": Out(1), "lacks_bank": Out(1),
            "read_address": Out(ADDRESS_BITS), "valid": Out(1), "outside": Out(1), "swap": Out(1),
            "tag": Out(issue_tag(config)),
        })

    def elaborate(self, platform):
        m = Module()
        layer = Layer(self.descriptor, self._config)
        m.submodules.window = window = WindowWalker(self._config)
        m.submodules.blocks = blocks = BlockCounter(self._config)
        m.d.comb += [window.descriptor.eq(self.descriptor), blocks.descriptor.eq(self.descriptor)]

        # The tile: term, kernel row, kernel column, channel word; how far its tap lies from the window's first, in rows
        # and columns of the map, and its address relative to the window.
        terms, rows = Loop(m, layer.last("terms"), "term"), Loop(m, layer.last("kernel_height"), "row")
        columns, words = Loop(m, layer.last("kernel_width"), "column"), Loop(m, layer.last("channel_words"), "word")
        tap_bits = min(_TAP_BITS, layer.coordinate_bits)
        down, across = Signal(tap_bits), Signal(tap_bits)
        offset = Signal(layer.address_bits)
        word_end, row_end = words.end, words.end & columns.end
        term_end, last_tile = row_end & rows.end, row_end & rows.end & terms.end
        first_tile = Signal(init=1)

        # The first channel word of the group, and of the next block's; groups that read the same are together.
        group_word, next_group_word = Signal(layer.address_bits), Signal(layer.address_bits)
        together, last_word = Loop(m, layer.last("together"), "together"), layer.last("channel_words")
        moving = blocks.group_end & together.end
        m.d.comb += next_group_word.eq(sum_of(group_word, last_word & moving.replicate(len(last_word)), moving))

        pixel = Signal(range(self._config.block_pixels))
        tile_start, pixel_end = Signal(init=1), Signal()       # pixel_end: for all pixels but a block's first
        last_pixel = Mux(tile_start, blocks.only_pixel, pixel_end)
        go = Signal()

        m.d.comb += [
            go.eq(self.busy & (~tile_start
                               | (self.tile_full & ~(first_tile & self.bank_busy.bit_select(self.bank, 1))))),
            self.tile_take.eq(go & tile_start),
            self.bank_take.eq(self.tile_take & first_tile),
            window.move.eq(self.start | go), window.restore.eq(last_pixel & ~last_tile),
            window.first.eq(self.start | (last_pixel & last_tile & blocks.group_end)),
            window.save.eq(self.start | (go & last_pixel & last_tile)), self.working.eq(go),
            self.lacks_tile.eq(self.busy & tile_start & ~self.tile_full),
            self.lacks_bank.eq(self.busy & ~go & ~self.lacks_tile),
        ]
        with m.If(go):
            m.d.sync += [
                pixel.eq(Mux(last_pixel, 0, pixel + 1)), tile_start.eq(last_pixel),
                pixel_end.eq(pixel + 1 == blocks.last_pixel),
            ]
        tap_across, tap_down = Mux(word_end, layer.dilation_x, 0), Mux(row_end, layer.dilation_y, 0)
        with m.If(go & last_pixel):
            m.d.sync += first_tile.eq(last_tile)
            with m.If(last_tile):
                m.d.comb += blocks.advance.eq(1)
                m.d.sync += [self.bank.eq(~self.bank), group_word.eq(next_group_word)]
                with m.If(blocks.group_end):
                    m.d.sync += together.next()
                with m.If(blocks.last):
                    m.d.sync += self.busy.eq(0)
            m.d.sync += [
                *words.next(),
                across.eq(Mux(row_end, 0, across + tap_across)), down.eq(Mux(term_end, 0, down + tap_down)),
                offset.eq(offset + Mux(row_end, layer.tap_row_step, Mux(word_end, layer.tap_step, 1))),
            ]
            with m.If(word_end):
                m.d.sync += columns.next()
            with m.If(row_end):
                m.d.sync += rows.next()
            with m.If(term_end):
                m.d.sync += [*terms.next(), offset.eq(Mux(last_tile, next_group_word, group_word))]
        with m.If(self.start):
            m.d.comb += blocks.first.eq(1)
            m.d.sync += [
                self.busy.eq(1), offset.eq(0), group_word.eq(0),
                *(statement for loop in (terms, rows, columns, words, together) for statement in loop.first()),
            ]

        # Coordinates of the tap; those outside the map read as the pad code.
        y, x = Signal.like(window.y), Signal.like(window.x)
        m.d.comb += [y.eq(window.y + down), x.eq(window.x + across)]
        issued = Signal(data.StructLayout({"valid": 1, "outside": 1, "swap": 1, "tag": issue_tag(self._config)}))
        m.d.sync += [
            self.read_address.eq(window.address + offset),
            issued.valid.eq(go),
            issued.outside.eq(outside(layer, y, x)),
            issued.swap.eq(self.tile_take),
            issued.tag.pixel.eq(pixel), issued.tag.bank.eq(self.bank),
            issued.tag.first.eq(first_tile), issued.tag.last.eq(last_tile & last_pixel),
            self.valid.eq(issued.valid), self.outside.eq(issued.outside), self.tag.eq(issued.tag),
        ]
        m.d.comb += self.swap.eq(issued.swap)
        return m
