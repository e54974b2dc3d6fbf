"""Which layers' weights stay in the weight memory, and which come anew for each image because they do not fit."""

from collections.abc import Mapping

from nomul.gen.spec.config import Config
from nomul.sw.compiled import weight_words

__all__ = ["choose_streamed", "ring_words"]


def ring_words(layer: dict[str, int], config: Config) -> int:
    """Words that the weight memory's ring must hold for a streamed ARRAY layer.

    A group's weights stay until its last block of pixels; if that is its first, too, a tile at a time is enough.
    """
    columns = min(config.columns, layer["channels"])
    return columns * (layer["tiles"] if layer["output_pixels"] > layer["block"] else 1)


def choose_streamed(layers: Mapping[str, dict[str, int]], config: Config) -> set[str]:
    """The layers to stream, so that the others and the ring fit into the weight memory.

    Parameters
    ----------
    layers : mapping
        ARRAY descriptors by the names of their layers.

    Returns
    -------
    set of str
        Not enough, if the ring of one layer alone does not fit. Of layers that would do by themselves, the one with the
        fewest words; else the largest, and so on.
    """
    words = {name: weight_words(layer, config) for name, layer in layers.items()}
    rings = {name: ring_words(layer, config) for name, layer in layers.items()}
    streamed: set[str] = set()

    def fits(more: str) -> bool:
        chosen = streamed | {more}
        return sum(words.values()) - sum(words[name] for name in chosen) + max(rings[name] for name in chosen) \
            <= config.weight_words

    if sum(words.values()) <= config.weight_words:
        return streamed
    while left := [name for name in layers if name not in streamed]:
        enough = [name for name in left if fits(name)]
        streamed.add(min(enough, key=words.__getitem__) if enough else max(left, key=words.__getitem__))
        if enough:
            break
    return streamed
