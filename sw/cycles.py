"""How long a program takes, layer by layer, to the cycle: the hardware's hand-overs in plain arithmetic.

The engines of an ARRAY layer work side by side. The *loader* has the next weight tile ready as many cycles after the
last one was taken as it has columns with a channel; the *issuer* takes a tile once the one before is through, the next
one is there and, at a block's beginning, one of the two accumulator banks is free; the *drain* empties the banks in
turn, a pixel at a time, through rows of serial requantizers. Nothing depends on data, so the cycles of one image are
those of all.
"""

import operator
from collections.abc import Iterator
from dataclasses import astuple, dataclass

from nomul.gen.spec.config import Config
from nomul.gen.spec.latency import ACCUMULATOR, ISSUE, MULTIPLIER, array_latency, vector_latency
from nomul.gen.spec.program import DESCRIPTOR_WORDS, Destination, Mode, Opcode, used_columns
from nomul.sw.compiled import CompiledNetwork

__all__ = ["LayerCycles", "array_cycles", "best_block", "predict"]

#: Fetching a descriptor and starting its engine.
_FETCH = DESCRIPTOR_WORDS + 3


@dataclass(frozen=True)
class LayerCycles:
    """Clock cycles of one layer; `total` is the sum of the others.

    Attributes
    ----------
    busy : int
        The array, or the vector engine, gets a word of activations.
    weights : int
        The array waits for a weight tile.
    accumulators : int
        It waits for an accumulator bank to be drained.
    drain : int
        All words are through; sums are added up, requantized and written.
    fetch : int
        Of the descriptor.
    """

    busy: int
    weights: int
    accumulators: int
    drain: int
    fetch: int

    def __add__(self, other: "LayerCycles") -> "LayerCycles":
        """Both one after the other."""
        return LayerCycles(*map(operator.add, astuple(self), astuple(other)))

    @property
    def total(self) -> int:
        """All cycles of the layer."""
        return self.busy + self.weights + self.accumulators + self.drain + self.fetch


def predict(compiled: CompiledNetwork) -> list[LayerCycles]:
    """Cycles of each descriptor of a program, END included; their totals add up to the register CYCLES."""
    return [_layer(layer, compiled.config) for layer in compiled.descriptors()]


def _layer(layer: dict[str, int], config: Config) -> LayerCycles:
    if layer["opcode"] == Opcode.END:
        return LayerCycles(0, 0, 0, 0, _FETCH)
    if layer["opcode"] == Opcode.VECTOR:
        taps = layer["kernel_height"] * layer["kernel_width"] + (layer["two_operands"] and layer["mode"] == Mode.ADD)
        return LayerCycles(layer["groups"] * layer["output_pixels"] * taps, 0, 0, vector_latency(config) + 1, _FETCH)
    return array_cycles(layer, config)


def array_cycles(layer: dict[str, int], config: Config) -> LayerCycles:
    """Cycles of an ARRAY layer's descriptor. Cycle 0 is that of the start."""
    drain = _Drain(layer, config)
    free = [1, 1]                   # from when on each bank can be filled
    blocks = list(_blocks(layer))
    loading = [used_columns(layer["channels"], group, config.columns) for group, _, _ in blocks]
    loaded = loading[0] + 1         # from when on the next tile is there
    ready = 1                       # from when on the issuer could take it
    busy = weights = accumulators = 0
    for number, (group, pixels, group_end) in enumerate(blocks):
        with_weights = max(ready, loaded)
        start = max(with_weights, free[number % 2])
        step = max(pixels, loading[number])         # from tile to tile of a block
        weights += with_weights - ready + (layer["tiles"] - 1) * (step - pixels)
        accumulators += start - with_weights
        start += (layer["tiles"] - 1) * step
        loaded, ready = start + loading[min(number + 1, len(blocks) - 1)], start + pixels
        busy += layer["tiles"] * pixels
        filled = ready - 1 + ISSUE + array_latency(config) + ACCUMULATOR
        free[number % 2] = drain.block(filled, group, pixels, group_end) + 2
    end = drain.ready - config.columns - 2      # of the last flush, from where the next group would begin
    return LayerCycles(busy, weights, accumulators, end - ready + 1, _FETCH)


def best_block(layer: dict[str, int], config: Config) -> int:
    """The block with which an ARRAY layer takes the fewest cycles, of those that divide its pixels as evenly as can be.

    Large ones leave time to load weights; small ones leave little to drain at the layer's end.
    """
    pixels = layer["output_pixels"]
    smallest = min(pixels, config.columns, config.block_pixels)
    counts = range(-(-pixels // config.block_pixels), -(-pixels // smallest) + 1)
    return min(sorted({-(-pixels // count) for count in counts}, reverse=True),
               key=lambda block: array_cycles({**layer, "block": block}, config).total)


def _blocks(layer: dict[str, int]) -> Iterator[tuple[int, int, bool]]:
    """Group, pixels, and whether it is its group's last, of each block."""
    for group in range(layer["groups"]):
        for first in range(0, layer["output_pixels"], layer["block"]):
            left = layer["output_pixels"] - first
            yield group, min(left, layer["block"]), left <= layer["block"]


class _Drain:
    """When the drain does what, block by block.

    Attributes
    ----------
    ready : int
        The cycle from which on it waits for the next block.
    """

    def __init__(self, layer: dict[str, int], config: Config):
        self.layer, self.columns = layer, config.columns
        self.to_results = layer["destination"] == Destination.RESULTS
        self.words = max(1, config.columns // config.lanes)     # cycles to write a pixel
        self.rows = [0] * config.requantizers   # from when on each row takes a pixel
        self.pixels = 0                         # sent so far
        self.clamped = -1                       # when the last pixel left the register in which it was rounded
        self.written = -1                       # when the last pixel's writing ended
        self.collected = 0                      # from when on the results are taken
        self.ready = self.columns + 3

    def block(self, filled: int, group: int, pixels: int, group_end: bool) -> int:
        """The cycle in which the last pixel is read, of a block that is complete in cycle `filled`."""
        send = max(self.ready, filled + 1) + 1      # the cycle in which the first pixel is read
        for _ in range(pixels):
            row = self.pixels % len(self.rows)
            self.pixels += 1
            send = max(send + 1, self.rows[row])
            rounded = max(send + self.layer["shift"] + MULTIPLIER, self.clamped)
            self.rows[row] = rounded + 1
            self.clamped = max(rounded + 1, self.written)
            self.written = self._write(self.clamped + 1, group)
        # The next group's parameters wait until this one's pixels are through.
        self.ready = max(send, self.written) + 1 + self.columns + 3 if group_end else send + 1
        return send

    def _write(self, offered: int, group: int) -> int:
        """The cycle in which a pixel's outputs are taken."""
        if not self.to_results:
            return offered + self.words - 1
        taken = max(offered, self.collected) + 1    # the collector's answer takes a cycle
        inside = min(self.columns, self.layer["channels"] - group * self.columns)
        self.collected = taken + 1 + min(self.columns, inside + 1)
        return taken
