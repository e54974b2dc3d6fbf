"""Gate-level simulation with delays: how often each net switches in a cycle, glitches included.

Logic between flip-flops forgets: what its nets do in a cycle depends on its inputs' values before and after the clock's
edge, on nothing else. So all cycles of all streams are simulated side by side, one a bit of `uint64` words; first
without delays, cycle by cycle, for the contents of the flip-flops, then with delays, net by net: a net's whole waveform
is a matrix of steps × words, found from those of the nets that it depends on.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nomul.gen.asic.errors import AsicError
from nomul.gen.asic.functions import function
from nomul.gen.asic.netlist import FlipFlop, Instance, Netlist
from nomul.gen.asic.timing import Timing

__all__ = ["STEP", "Activity", "simulate"]

#: Times are rounded to this, ns.
STEP = 0.01
#: Words that are simulated together: few enough that a net's waveform stays in the processor's cache.
_WORDS = 64
_WORD_BITS = 64


@dataclass(frozen=True)
class Activity:
    """What the nets of a design did.

    Attributes
    ----------
    transitions : int
        Pairs of successive cycles that were simulated: (cycles - 1) · streams.
    toggles : dict of int to float
        How often each net switches, per cycle.
    states : dict of int to ndarray
        Settled value of each net but the clock before each clock edge: uint64 (words).
    mask : ndarray of uint64
        Ones where the words hold a transition, not padding.
    outputs : dict of str to ndarray
        Settled values of each output port: bool (cycles, streams, width).
    """

    transitions: int
    toggles: dict[int, float]
    states: dict[int, np.ndarray]
    mask: np.ndarray
    outputs: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Wave:
    """Values of a net: row 0 until step `start`, row i at step `start` + i, the last row for ever after."""

    start: int
    rows: np.ndarray

    @property
    def stop(self) -> int:
        return self.start + len(self.rows)

    def window(self, start: int, stop: int) -> np.ndarray:
        """The values at steps `start`, ..., `stop` - 1."""
        if (start, stop) == (self.start, self.stop):
            return self.rows
        return self.rows[np.clip(np.arange(start - self.start, stop - self.start), 0, len(self.rows) - 1)]


def simulate(netlist: Netlist, timing: Timing, stimulus: Mapping[str, np.ndarray]) -> Activity:
    """Simulates a design with the delays of static timing.

    A cell's output follows its inputs after the time of the arc from each; of arcs of one cell, the shortest is its
    inertia: a value that doesn't last that long never shows at the output (VHDL's inertial delay). Rising and falling
    edges take the mean of both. All flip-flops begin with 0. Asynchronous set and clear act at the clock's edge.

    Parameters
    ----------
    netlist : Netlist
        The design.
    timing : Timing
        Its delays.
    stimulus : dict of str to ndarray
        For each input: integers (cycles, streams), or for ports wider than 64 bits their bits, lowest first
        (cycles, streams, width). Streams are independent runs of the design, with as many cycles each.

    Raises
    ------
    AsicError
        If an input is missing or unknown, or an array's shape doesn't fit.
    """
    given, cycles, streams = _packed(netlist, stimulus)
    words = -(-streams // _WORD_BITS)
    settled = _settle(netlist, given, cycles, words)
    tail = np.packbits(np.arange(words * _WORD_BITS) < streams, bitorder="little").view(np.uint64)
    mask = np.tile(tail, cycles - 1)
    before = {net: values[:-1].reshape(-1) for net, values in settled.items()}
    after = {net: values[1:].reshape(-1) for net, values in settled.items()}
    toggles: Counter[int] = Counter()
    for first in range(0, len(mask), _WORDS):
        part = slice(first, first + _WORDS)
        starts = {net: _Wave(_steps(timing.launch[net]) - 1, np.stack([before[net][part], after[net][part]]))
                  for net in timing.launch}
        toggles.update(_toggles(netlist, timing, starts, mask[part]))
    transitions = (cycles - 1) * streams
    outputs = {name: np.stack([_bits(settled[net], streams) for net in nets], axis=-1)
               for name, nets in netlist.outputs.items()}
    return Activity(transitions, {net: count / transitions for net, count in toggles.items()}, before, mask, outputs)


def _packed(netlist: Netlist, stimulus: Mapping[str, np.ndarray]) -> tuple[dict[int, np.ndarray], int, int]:
    """The inputs' nets as words (cycles, words), and the numbers of cycles and streams."""
    if stimulus.keys() != netlist.inputs.keys():
        raise AsicError(f"the stimulus must be given for the inputs {', '.join(netlist.inputs)}, not for "
                        f"{', '.join(stimulus) or 'none'}")
    shapes = {array.shape[:2] for array in stimulus.values()}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 2 or shape[0] < 2 or not shape[1]:
        raise AsicError("the stimulus of every input must begin with the same two dimensions: at least 2 cycles, and "
                        f"streams; found {', '.join(f'{name} {array.shape}' for name, array in stimulus.items())}")
    packed: dict[int, np.ndarray] = {}
    for name, nets in netlist.inputs.items():
        array = stimulus[name]
        if array.ndim == 2 and len(nets) <= _WORD_BITS:
            array = (array[..., None].astype(np.uint64) >> np.arange(len(nets), dtype=np.uint64)) & np.uint64(1)
        if array.shape != (*shape, len(nets)):
            raise AsicError(f"the stimulus of input {name} must have the shape {(*shape, len(nets))}: its bits; or, up "
                            f"to 64 bits, {shape}; not {array.shape}")
        padded = np.zeros((shape[0], -(-shape[1] // _WORD_BITS) * _WORD_BITS, len(nets)), np.uint8)
        padded[:, :shape[1]] = array
        lines = np.packbits(padded, axis=1, bitorder="little")
        packed |= {net: np.ascontiguousarray(lines[:, :, bit]).view(np.uint64) for bit, net in enumerate(nets)}
    return packed, *shape


def _bits(words: np.ndarray, streams: int) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :streams].astype(bool)


def _settle(netlist: Netlist, given: Mapping[int, np.ndarray], cycles: int, words: int) -> dict[int, np.ndarray]:
    """The value of each net at the end of each cycle: (cycles, words)."""
    values = {0: np.zeros(words, np.uint64), 1: np.full(words, ~np.uint64(0))}
    keep = {net for instance in netlist.instances for net in instance.nets.values()}.difference([netlist.clock])
    keep.update(values, *netlist.inputs.values(), *netlist.outputs.values())
    history = {net: np.empty((cycles, words), np.uint64) for net in keep}
    state = [values[0]] * len(netlist.registers)
    for cycle in range(cycles):
        values.update({net: array[cycle] for net, array in given.items()})
        for flop, word in zip(netlist.registers, state, strict=True):
            kept = {flop.register.state: word, flop.register.complement: ~word}
            values.update({net: function(pin.function)(kept) for pin, net in flop.outputs()})
        for instance in netlist.logic:
            pins = {pin.name: values[net] for pin, net in instance.inputs()}
            values.update({net: function(pin.function)(pins) for pin, net in instance.outputs()})
        state = [_next(flop, values, word) for flop, word in zip(netlist.registers, state, strict=True)]
        for net in keep:
            history[net][cycle] = values[net]
    return history


def _next(flop: FlipFlop, values: Mapping[int, np.ndarray], state: np.ndarray) -> np.ndarray:
    """What a flip-flop holds after the clock's edge."""
    register = flop.register
    pins = {pin.name: values[net] for pin, net in flop.inputs() if net in values}
    pins |= {register.state: state, register.complement: ~state}
    word = function(register.next_state)(pins)
    if register.preset:
        word = word | function(register.preset)(pins)
    return word & ~function(register.clear)(pins) if register.clear else word


def _toggles(netlist: Netlist, timing: Timing, waves: dict[int, _Wave], mask: np.ndarray) -> dict[int, int]:
    """How often each net switches in all cycles of a few words."""
    for constant, word in ((0, np.uint64(0)), (1, ~np.uint64(0))):
        waves[constant] = _Wave(0, np.full((1, len(mask)), word))
    toggles = {net: _count(wave.rows, mask) for net, wave in waves.items()}
    readers = Counter(net for instance in netlist.logic for _, net in instance.inputs())
    for instance in netlist.logic:
        for pin, net in instance.outputs():
            waves[net] = _output(instance, pin.name, pin.function, timing, waves)
            toggles[net] = _count(waves[net].rows, mask)
            if not readers[net]:
                del waves[net]
        for _, net in instance.inputs():        # a waveform is large: it goes with its last reader
            readers[net] -= 1
            if not readers[net]:
                del waves[net]
    return toggles


def _output(instance: Instance, pin: str, text: str, timing: Timing, waves: Mapping[int, _Wave]) -> _Wave:
    """The waveform at an output of a cell."""
    delays = {source.name: max(_steps(timing.delays.get((instance.name, source.name, pin), STEP)), 1)
              for source, _ in instance.inputs()}
    inertia = min(delays.values(), default=1)
    inputs = {source.name: (waves[net], delays[source.name] - inertia) for source, net in instance.inputs()}
    moving = [(wave, late) for wave, late in inputs.values() if len(wave.rows) > 1] or list(inputs.values())
    start = min((wave.start + late for wave, late in moving), default=0)
    stop = max((wave.stop + late for wave, late in moving), default=1)
    rows = function(text)({name: wave.window(start - late, stop - late) for name, (wave, late) in inputs.items()})
    return _trimmed(_inertial(start, np.broadcast_to(rows, (stop - start, rows.shape[-1])), inertia))


def _inertial(start: int, rows: np.ndarray, delay: int) -> _Wave:
    """A waveform `delay` steps later, without what doesn't last that long."""
    if len(rows) <= 2 or delay == 1:
        return _Wave(start + delay, rows)
    # Before the last `delay` - 1 values are the same, the output keeps what it was.
    every = any_ = np.concatenate([np.repeat(rows[:1], delay - 1, 0), rows, np.repeat(rows[-1:], delay - 1, 0)])
    span = 1
    while span < delay:
        more = min(span, delay - span)
        every, any_ = every[more:] & every[:-more], any_[more:] | any_[:-more]
        span += more
    result = np.empty_like(every)
    result[0] = rows[0]
    for step in range(1, len(result)):
        np.bitwise_and(result[step - 1], any_[step], out=result[step])
        np.bitwise_or(result[step], every[step], out=result[step])
    return _Wave(start + 1, result)


def _trimmed(wave: _Wave) -> _Wave:
    """The waveform without rows at either end that repeat their neighbour."""
    changes = np.flatnonzero((wave.rows[1:] != wave.rows[:-1]).any(axis=1))
    if not len(changes):
        return _Wave(wave.start, wave.rows[:1])
    first, last = changes[0], changes[-1] + 2
    return _Wave(wave.start + int(first), wave.rows[first:last])


def _count(rows: np.ndarray, mask: np.ndarray) -> int:
    return int(np.bitwise_count((rows[1:] ^ rows[:-1]) & mask).sum())


def _steps(time: float) -> int:
    return round(time / STEP)
