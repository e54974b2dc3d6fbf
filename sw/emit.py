"""The compiler's last pass: descriptors, weights in order of consumption, and parameters, all of which fit."""

from itertools import accumulate
from typing import NamedTuple

import numpy as np

from nomul.gen.spec.config import Config
from nomul.gen.spec.operators import WeightError
from nomul.gen.spec.program import Opcode, ProgramError, pack
from nomul.gen.spec.registers import Region, word_bytes
from nomul.gen.spec.widths import check_fields
from nomul.sw.compile_error import CompileError, check_fits
from nomul.sw.lower_array import LoweredArray, lower_array
from nomul.sw.lower_vector import SumError, lower_vector
from nomul.sw.lower_window import Place
from nomul.sw.network import ArrayLayer, IntegerNetwork
from nomul.sw.weight_plan import choose_streamed, ring_words

__all__ = ["Emitted", "emit"]


class Emitted(NamedTuple):
    """Descriptors, the layer of each but END, and words; all but `steps` as of `CompiledNetwork`."""

    program: np.ndarray
    steps: list[str]
    weights: np.ndarray
    stream: np.ndarray
    parameters: np.ndarray


def emit(network: IntegerNetwork, places: dict[str, Place], config: Config) -> Emitted:
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
            else:
                descriptors = lower_vector(layer, sources, placed, places[layer.name], config)
        except (WeightError, ProgramError, SumError) as error:
            raise CompileError(f"layer {layer.name!r}: {error}") from None
        descriptors[-1]["frees_input"] = layer.name == freeing
        program += [(layer.name, fields) for fields in descriptors]
    check_fits("program_layers", {name: count for count, (name, _) in enumerate(program, start=2)}, config)
    check_fits("parameter_words", _up_to_each({name: len(array.parameters) for name, array in arrays.items()}),
               config)
    check_fits("result_words", {network.layers[-1].name: network.classes}, config)
    weights, stream = _place_weights(program, arrays, config)
    words = [_pack(name, fields, config) for name, fields in program] + [pack(opcode=Opcode.END)]
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
    words = {name: 0 if name in streamed else len(array.weights) for name, array in arrays.items()}
    check_fits("weight_words", {name: ring + count for name, count in _up_to_each(words).items()}, config,
               "" if config.weight_stream else ", set weight_stream = true to send weights while it runs,")
    return np.concatenate(stay), np.concatenate(stream)


def _up_to_each(words: dict[str, int]) -> dict[str, int]:
    """The sum of each layer's and all before it."""
    return dict(zip(words, accumulate(words.values()), strict=True))


def _pack(name: str, fields: dict[str, int], config: Config) -> list[int]:
    try:
        check_fields(fields, config)
        return pack(**fields)
    except ProgramError as error:
        raise CompileError(f"layer {name!r}: {error}") from None


def _freeing_layer(network: IntegerNetwork, places: dict[str, Place]) -> str:
    """The layer after which the next image may be packed: the last that reads this one, or the last of all."""
    def end(name: str) -> int:
        place = places[name]
        return place["base"] + place["channel_words"] * place["height"] * place["width"]
    if any(place["base"] < end("input") for name, place in places.items() if name != "input"):
        return network.layers[-1].name
    return next((layer.name for layer in reversed(network.layers) if "input" in layer.inputs), network.layers[0].name)
