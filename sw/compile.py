"""The compiler: from an integer network to program, weights and parameters for one configuration.

Passes, each of which either leaves its promise true or names the layer that breaks it. From network to network, and
the result is checked as every network is: `average_by_array` (averages are shifts, or array layers), `align_sums` (the
operands of sums lie alike), `choose_operators` (every operator is one of the array's), `fold_input` (the first layer's
taps fill the lanes). Then `prove_accumulators` (no accumulator can overflow), `place_tensors` (every tensor has its
place in the activation memory), `emit` (descriptors and words, all of which fit).
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import Operator, WeightError
from nomul.gen.spec.program import ProgramError
from nomul.sw import contract
from nomul.sw.compile_error import CompileError, check_fits
from nomul.sw.compile_notes import note_added, note_folding, note_memory, note_operators, note_words
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.emit import emit
from nomul.sw.fold_input import fold_input, image_windows
from nomul.sw.lane_plan import LanePlan, plan_lanes
from nomul.sw.lower_window import Place, place, words_of
from nomul.sw.memory_plan import Buffer, plan
from nomul.sw.network import Add, ArrayLayer, IntegerNetwork, Layer
from nomul.sw.rewrite import Segments, align_sums, average_by_array, channel_segments

__all__ = ["CompileError", "compile_network"]

Places = dict[str, Place]


def compile_network(network: IntegerNetwork, config: Config,
                    tell: Callable[[str, str], None] = lambda name, text: None) -> CompiledNetwork:
    """Compiles a network for a configuration.

    Parameters
    ----------
    tell : function of (pass, text)
        Called after each pass with what it did.

    Raises
    ------
    NetworkError
        If the network breaks the integer contract or has an unsupported layer.
    CompileError
        If the configuration cannot run it.
    """
    network.check()
    if network.activation_bits != config.activation_bits:
        raise CompileError(f"network {network.name!r} has {network.activation_bits}-bit activations, configuration "
                           f"{config.name!r} has activation_bits {config.activation_bits}: quantize for, or configure, "
                           f"the same number")
    lowered = network
    for rewrite, note in ((average_by_array, note_added), (align_sums, note_added), (choose_operators, note_operators)):
        before, lowered = lowered, rewrite(lowered, config)
        lowered.check()
        tell(rewrite.__name__, note(before, lowered))
    bits = prove_accumulators(lowered, config)
    tell("prove_accumulators", f"accumulators need {bits} of {config.accumulator_bits} bits")
    check_fits("image_bytes", {"input": math.prod(network.input.shape)}, config)
    try:
        folded = fold_input(lowered, config)
        windows, places = image_windows(lowered, folded, config), place_tensors(folded, config)
    except (CompileError, ProgramError):    # windows overlap, so they take more memory than the image
        folded = lowered
        windows, places = _image(lowered, config), place_tensors(lowered, config)
    tell("fold_input", note_folding(lowered, folded, config))
    tell("place_tensors", note_memory(places, config))
    folded.check()
    emitted = emit(folded, places, config)
    tell("emit", note_words(len(emitted.program), len(emitted.weights), len(emitted.stream), len(emitted.parameters),
                            config))
    return CompiledNetwork(network.name, config, network.hash, *emitted, network.input, windows, network.classes,
                           places, network.metadata)


def _image(network: IntegerNetwork, config: Config) -> dict[str, int]:
    try:
        return image_windows(network, network, config)
    except ProgramError as error:
        raise CompileError(f"the image of network {network.name!r}: {error}") from None


def choose_operators(network: IntegerNetwork, config: Config) -> IntegerNetwork:
    """The network with operators that the configuration has.

    SIGN runs as SHIFT by 0 where only that is there, and where weights are 0 that unified processing elements lack.
    """
    chosen: list[Layer] = []
    for layer in network.layers:
        if isinstance(layer, ArrayLayer):
            missing = layer.operator.key not in config.operators
            sign = layer.operator is Operator.SIGN
            if sign and (missing or config.unified and not layer.weight.all()) and "shift" in config.operators:
                layer = replace(layer, operator=Operator.SHIFT)
            elif missing:
                raise CompileError(f"layer {layer.name!r} needs the operator {layer.operator.key!r}, configuration "
                                   f"{config.name!r} has only {', '.join(config.operators)}: add it to operators")
        chosen.append(layer)
    return replace(network, layers=tuple(chosen))


def prove_accumulators(network: IntegerNetwork, config: Config) -> int:
    """Bits that the accumulators need; `CompileError` if an input can take one beyond `accumulator_bits`."""
    most, segments = 0, channel_segments(network)
    for layer in network.layers:
        if not isinstance(layer, ArrayLayer):
            continue
        times = 1 + _lane_plan(layer, segments, config).twice
        smallest, largest = (times * end for end in contract.accumulator_range(layer.operator, layer.weight, layer.bias,
                                                                               config.activation_bits))
        bits = [contract.signed_bits(*ends) for ends in zip(smallest, largest, strict=True)]
        worst = int(np.argmax(bits))
        if bits[worst] > config.accumulator_bits:
            raise CompileError(f"layer {layer.name!r}: the accumulator of channel {worst} can reach "
                               f"{smallest[worst]} to {largest[worst]}, {bits[worst]} bits: raise accumulator_bits "
                               f"from {config.accumulator_bits}")
        most = max(most, bits[worst])
    return most


def _lane_plan(layer: ArrayLayer, segments: Segments, config: Config) -> LanePlan:
    try:
        return plan_lanes(layer, segments[layer.input], config)
    except WeightError as error:
        raise CompileError(f"layer {layer.name!r}: {error}") from None


def place_tensors(network: IntegerNetwork, config: Config) -> Places:
    """Where each tensor but the logits lies; the input at 0, where the hardware packs images.

    Nothing else lies there, if the memory is large enough, so that an image is packed while the one before is run. A
    sum takes the place of an operand that nobody reads after it.
    """
    tensors, segments = dict(list(network.tensors.items())[:-1]), channel_segments(network)
    steps = {name: step for step, name in enumerate(tensors)}
    last = dict(steps)
    for step, layer in enumerate(network.layers, start=1):
        last.update(dict.fromkeys(layer.inputs, step))
    words = {name: words_of(segments[name], config.lanes) * tensor.height * tensor.width
             for name, tensor in tensors.items()}
    operands = {layer.name: layer.inputs for layer in network.layers if isinstance(layer, Add)}
    for reserved in (True, False):
        lives = last | {"input": len(network.layers)} if reserved else last
        bases = plan([Buffer(name, words[name], steps[name], lives[name], operands.get(name, ())) for name in tensors])
        if max(bases[name] + words[name] for name in tensors) <= config.activation_words:
            break
    check_fits("activation_words", {name: bases[name] + words[name] for name in tensors}, config)
    return {name: place(tensor, bases[name], segments[name], config.lanes) for name, tensor in tensors.items()}
