"""What the compiler's passes did, a line each, for people who ask: `nomul compile --verbose`."""

from nomul.gen.spec.config import Config
from nomul.sw.lower_window import Place
from nomul.sw.network import ArrayLayer, IntegerNetwork

__all__ = ["note_added", "note_folding", "note_memory", "note_operators", "note_words"]


def note_added(before: IntegerNetwork, after: IntegerNetwork) -> str:
    """Which array layers there are now that were none before."""
    kinds = {layer.name: layer.kind for layer in before.layers}
    new = [layer.name for layer in after.layers if layer.kind != kinds.get(layer.name)]
    return f"new array layers: {', '.join(new)}" if new else "nothing to do"


def note_operators(before: IntegerNetwork, after: IntegerNetwork) -> str:
    """Which layers run with another operator than their own."""
    changed = [new.name for old, new in zip(before.layers, after.layers, strict=True) if old is not new]
    return f"sign layers run as shift layers: {', '.join(changed)}" if changed else "every layer runs with its own"


def note_folding(before: IntegerNetwork, after: IntegerNetwork, config: Config) -> str:
    """How many words a window of the image takes."""
    if before is after:
        return "the image is packed pixel by pixel"
    first = next(layer for layer in before.layers if isinstance(layer, ArrayLayer) and "input" in layer.inputs)
    taps = first.weight.shape[2] * first.weight.shape[3]
    channels = f"{before.input.channels} channel{'s' * (before.input.channels != 1)}"
    return (f"a window of {first.name} has {taps} taps of {channels}: packed side by side, "
            f"{-(-after.input.channels // config.lanes)} words instead of "
            f"{taps * -(-before.input.channels // config.lanes)}")


def note_memory(places: dict[str, Place], config: Config) -> str:
    """How much of the activation memory is used, and up to which tensor."""
    ends = {name: place["base"] + place["channel_words"] * place["height"] * place["width"]
            for name, place in places.items()}
    highest = max(ends, key=ends.__getitem__)
    return f"{ends[highest]} of {config.activation_words} words, {highest} highest"


def note_words(program: int, weights: int, stream: int, parameters: int, config: Config) -> str:
    """How much of the other memories is used; all in words, of the program in descriptors."""
    streamed = f"{stream} more that are sent for each image, " if stream else ""
    return (f"{program} of {config.program_layers} descriptors, {weights} of {config.weight_words} weight words, "
            f"{streamed}{parameters} of {config.parameter_words} parameter words")
