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
from typing import NamedTuple

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.errors import NomulError
from nomul.gen.spec.operators import Operator, WeightError
from nomul.gen.spec.program import Opcode, ProgramError, pack
from nomul.gen.spec.registers import Region, word_bytes
from nomul.sw import contract
from nomul.sw.compile_notes import note_added, note_folding, note_memory, note_operators, note_words
from nomul.sw.compiled import CompiledNetwork
from nomul.sw.fold_input import fold_input, image_windows
from nomul.sw.lane_plan import LanePlan, plan_lanes
from nomul.sw.lower_array import LoweredArray, lower_array
from nomul.sw.lower_vector import lower_vector
from nomul.sw.lower_window import Place, place, words_of
from nomul.sw.memory_plan import Buffer, plan
from nomul.sw.network import Add, ArrayLayer, IntegerNetwork, Layer
from nomul.sw.rewrite import Segments, align_sums, average_by_array, channel_segments
from nomul.sw.weight_plan import choose_streamed, ring_words

__all__ = ["CompileError", "compile_network"]

Places = dict[str, Place]


class CompileError(NomulError):
    """A network that a configuration cannot run; the message names layer, rule and the field to change."""


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
    _check_fits("image_bytes", math.prod(network.input.shape), config.image_bytes, "input")
    try:
        folded = fold_input(lowered, config)
        windows, places = image_windows(lowered, folded), place_tensors(folded, config)
    except (CompileError, ProgramError):    # windows overlap, so they take more memory than the image
        folded = lowered
        windows, places = _image(lowered), place_tensors(lowered, config)
    tell("fold_input", note_folding(lowered, folded, config))
    tell("place_tensors", note_memory(places, config))
    folded.check()
    emitted = emit(folded, places, config)
    tell("emit", note_words(len(emitted.program), len(emitted.weights), len(emitted.stream), len(emitted.parameters),
                            config))
    return CompiledNetwork(network.name, config, network.hash, *emitted, network.input, windows, network.classes,
                           places, network.metadata)


def _image(network: IntegerNetwork) -> dict[str, int]:
    try:
        return image_windows(network, network)
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
    for name in tensors:
        _check_fits("activation_words", bases[name] + words[name], config.activation_words, name)
    return {name: place(tensor, bases[name], segments[name], config.lanes) for name, tensor in tensors.items()}


class Emitted(NamedTuple):
    """Descriptors, the layer of each but END, and words; all but `steps` as of `CompiledNetwork`."""

    program: np.ndarray
    steps: list[str]
    weights: np.ndarray
    stream: np.ndarray
    parameters: np.ndarray


def emit(network: IntegerNetwork, places: Places, config: Config) -> Emitted:
    """Program and words; `CompileError` if they do not fit."""
    program: list[tuple[str, dict[str, int]]] = []
    arrays: dict[str, LoweredArray] = {}
    parameters = [np.zeros((0, word_bytes(Region.PARAMETERS, config)), np.uint8)]
    freeing = _freeing_layer(network, places)
    for layer in network.layers:
        sources = [network.tensors[name] for name in layer.inputs]
        placed = [places[name] for name in layer.inputs]
        try:
            if isinstance(layer, ArrayLayer):
                lowered = lower_array(layer, sources[0], placed[0], places.get(layer.name), config)
                arrays[layer.name] = lowered
                descriptors = [lowered.descriptor | {"parameter_base": sum(map(len, parameters))}]
                parameters.append(lowered.parameters)
                _check_fits("parameter_words", sum(map(len, parameters)), config.parameter_words, layer.name)
            else:
                descriptors = lower_vector(layer, sources, placed, places[layer.name], config)
        except (WeightError, ProgramError) as error:
            raise CompileError(f"layer {layer.name!r}: {error}") from None
        descriptors[-1]["frees_input"] = layer.name == freeing
        program += [(layer.name, fields) for fields in descriptors]
        _check_fits("program_layers", len(program) + 1, config.program_layers, layer.name)
    _check_fits("result_words", network.classes, config.result_words, network.layers[-1].name)
    weights, stream = _place_weights(program, arrays, config)
    words = [_pack(name, fields) for name, fields in program] + [pack(opcode=Opcode.END)]
    return Emitted(np.array(words, dtype=np.uint32), [name for name, _ in program], weights, stream,
                   np.concatenate(parameters))


def _place_weights(program: list[tuple[str, dict[str, int]]], arrays: dict[str, LoweredArray],
                   config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Weights that stay, and those that are streamed; sets `weight_base` and `streamed` of the program's layers."""
    streamed: set[str] = set()
    if config.weight_stream:
        streamed = choose_streamed({name: lowered.descriptor for name, lowered in arrays.items()}, config)
    stay = [np.zeros((0, word_bytes(Region.WEIGHTS, config)), np.uint8)]
    stream = list(stay)
    ring = max((ring_words(arrays[name].descriptor, config) for name in streamed), default=0)
    for name, fields in program:
        if name not in arrays:
            continue
        if name in streamed:
            fields["streamed"] = True
            stream.append(arrays[name].weights)
        else:
            fields["weight_base"] = sum(map(len, stay))
            stay.append(arrays[name].weights)
        _check_fits("weight_words", sum(map(len, stay)) + ring, config.weight_words, name,
                    "" if config.weight_stream else ", set weight_stream = true to send weights while it runs,")
    return np.concatenate(stay), np.concatenate(stream)


def _pack(name: str, fields: dict[str, int]) -> list[int]:
    try:
        return pack(**fields)
    except ProgramError as error:
        raise CompileError(f"layer {name!r}: {error}") from None


def _freeing_layer(network: IntegerNetwork, places: Places) -> str:
    """The layer after which the next image may be packed: the last that reads this one, or the last of all."""
    def end(name: str) -> int:
        place = places[name]
        return place["base"] + place["channel_words"] * place["height"] * place["width"]
    if any(place["base"] < end("input") for name, place in places.items() if name != "input"):
        return network.layers[-1].name
    return next((layer.name for layer in reversed(network.layers) if "input" in layer.inputs), network.layers[0].name)


def _check_fits(field: str, needed: int, available: int, layer: str, remedy: str = "") -> None:
    if needed > available:
        raise CompileError(f"layer {layer!r} does not fit: up to it the network needs {field} {needed}, "
                           f"{needed - available} more than the configuration's {available}: raise {field}{remedy} or "
                           f"make the network smaller")
